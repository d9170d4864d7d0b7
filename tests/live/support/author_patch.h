// Patches with author code for live tests: C that includes suture/patch.h, compiled when the test runs.
#pragma once

#include <string>
#include <vector>

#include "model/hot_image.h"

namespace suture {

// `source` is what follows the include of suture/patch.h. A function new_F replaces F of the target; functions that hooks declare
// are found by the header's names for them.
HotImage make_author_patch(const std::string &target, const std::string &patch_id, const std::string &source);

}  // namespace suture
