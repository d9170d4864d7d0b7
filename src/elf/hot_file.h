// HotImage <-> `.hp.` file: a well-formed ELF shared object (readelf, objdump and gdb read it) whose `.suture` section
// holds what ELF has no words for (docs/formats/hp.md). The bytes read are not trusted.
#pragma once

#include "base/result.h"
#include "model/hot_image.h"

namespace suture {

Result<Bytes> write_hot_file(const HotImage &image);
Result<HotImage> read_hot_file(ByteView bytes);

}  // namespace suture
