// Who calls a function, where that can be known wholly.
#pragma once

#include <optional>
#include <vector>

#include "diff/make_patch.h"

namespace suture {

// The post places of all functions that call a function of the pre program, when nothing but these calls leads to it:
// no other module, no pointer, no code that is gone from the source or left as it is. Nothing otherwise.
std::optional<std::vector<Place>> all_callers(const DiffInput &input, const Place &function);

}  // namespace suture
