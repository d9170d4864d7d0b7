// The code ranges that an image's .eh_frame describes. A stripped binary keeps its unwind tables, so this is where its
// functions are, nearly all of them, with their exact sizes; split-off cold parts are ranges of their own.
#pragma once

#include <vector>

#include "model/image.h"

namespace suture {

// Ascending, without duplicates. Malformed entries end the walk; what was read until then is returned.
std::vector<UnwindRange> read_unwind_ranges(const Image &image);

}  // namespace suture
