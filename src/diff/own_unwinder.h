// The unwinder that an image was linked with, into which new code must be entered for exceptions to pass through it.
#pragma once

#include <optional>

#include "base/result.h"
#include "diff/make_patch.h"
#include "model/hot_image.h"

namespace suture {

// None where the image uses a shared library's. Refused where it has one and what enters new code into it is not found.
Result<std::optional<OwnUnwinder>> find_own_unwinder(const DiffInput &input);

}  // namespace suture
