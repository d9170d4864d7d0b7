// Which of the files that a Debian build linked are shipped, and so become images of the patch: every one that contains changed code.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "build/driver.h"
#include "debian/shipped.h"
#include "pipeline/debian_build.h"

namespace suture {

// Of `wanted` only, which are installed paths; none: of all. `report` is told what is shipped, what the fix changes without its being
// shipped or wanted, and what is not as when it was built.
Result<std::vector<BuildRequest::Image>> choose_debian_images(const Shipped &shipped, const std::vector<LinkedOutput> &outputs,
                                                              const std::set<std::string> &wanted, DebianReport &report);

// Whether a link was seen for each file of `shipped`.
bool are_all_linked(const Shipped &shipped, const std::vector<LinkedOutput> &outputs);

// The paths of the outputs that may be some file of `shipped`.
std::set<std::string> outputs_that_may_ship(const Shipped &shipped, const std::vector<LinkedOutput> &outputs);

}  // namespace suture
