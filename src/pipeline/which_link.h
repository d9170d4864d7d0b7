// Which of several links that look alike by their names made a shipped file: a package built in two flavours links most of its
// programs twice.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "base/result.h"
#include "build/driver.h"

namespace suture {

// The index of the link whose code the file has: the one more of whose code is found in it than of any other's; or of several that are
// found equally well the first, when code and data of all are the same, before the fix and after it. None otherwise.
Result<std::optional<size_t>> which_link(const std::filesystem::path &shipped, const std::vector<const LinkedOutput *> &links);

}  // namespace suture
