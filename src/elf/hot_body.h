// The content of a `.hp.` file's `.suture` section: everything of a HotImage that ELF has no words for
// (docs/formats/hp.md gives the bytes). Kept apart from the ELF container, which it does not know.
#pragma once

#include "base/result.h"
#include "model/hot_image.h"

namespace suture {

// Uses image.symbols (in this order) to name redirects without repeating their names.
Bytes write_hot_body(const HotImage &image);

// Fills in the fields that write_hot_body stores; `image` must hold the symbols already.
Status read_hot_body(ByteView section, HotImage &image);

}  // namespace suture
