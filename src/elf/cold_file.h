// The coldpatch: the base file with a HotImage's segments appended, its dynamic tables and unwind index extended, jumps
// at the replaced functions, and a note that names the patches inside (docs/formats/cold.md).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/hot_image.h"
#include "model/image.h"

namespace suture {

// The base's digest must be the one the hot image names.
Result<Bytes> write_cold_file(const Image &base, const HotImage &hot);

// Ids of the patches a file says it contains; empty for a file without our note.
std::vector<std::string> cold_patches_of(const Image &image);

}  // namespace suture
