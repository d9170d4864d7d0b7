// .eh_frame -> .debug_frame. gdb reads unwind entries by section name, one .eh_frame per file, so those of a second one
// are given to it in the other form it knows, which is not loaded.
#pragma once

#include "base/bytes.h"
#include "model/address.h"

namespace suture {

// `eh_frame` lies at `at` with its final content. Entries it cannot express are left out.
Bytes to_debug_frame(ByteView eh_frame, LinkAddr at);

}  // namespace suture
