// Variables of the running program that a fix can lose sight of: under another name, or at another place of their
// section.
#pragma once

#include <vector>

#include "diff/make_patch.h"

namespace suture {

std::vector<Hazard> find_variable_hazards(const DiffInput &input);

}  // namespace suture
