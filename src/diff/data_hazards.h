// What a fix changes in data and start-up code that a running program has behind it: told with old and new values, and
// with what else refers to it.
#pragma once

#include <vector>

#include "diff/make_patch.h"

namespace suture {

// Hazards in what changed, whether or not a patch can be made. `notes`: changes that look like one and are none.
std::vector<Hazard> find_data_hazards(const DiffInput &input, std::vector<std::string> &notes);

}  // namespace suture
