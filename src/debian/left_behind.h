// What a build left in a folder that it could write to, before anything reads it with more privileges than the build had. A package's
// build is not trusted: it may leave links that lead elsewhere, pipes that never end, and more than memory holds. No process of
// it lives when run_in_private_root() returns, so that what was checked stays so.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/result.h"

namespace suture {

struct LeftLimits {
  uint64_t entries = 4'000'000;
  uint64_t file_bytes = uint64_t{2} << 30;    // of one file
  uint64_t total_bytes = uint64_t{64} << 30;  // of all
};

// Corrupt when there is anything but folders and plain files below, or more than the limits; links are not followed.
Status check_left_behind(const std::filesystem::path &folder, const LeftLimits &limits);

}  // namespace suture
