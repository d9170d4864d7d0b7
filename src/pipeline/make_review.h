// What the builder knows of a patch and a reviewer wants to read (review/review.h): gathered from the pipeline's state
// after a patch was made. Decides nothing.
#pragma once

#include <filesystem>
#include <vector>

#include "build/driver.h"
#include "diff/make_patch.h"
#include "review/review.h"

namespace suture {

ReviewImage review_image(const std::string &path, const LinkedImage &linked, const DiffInput &input,
                         const MadePatch &made);

// The text that changed, with a few lines around; binary and very large files are named only.
std::vector<ReviewFile> review_sources(const std::filesystem::path &pre, const std::filesystem::path &post,
                                       const std::vector<TreeChange> &changes);

}  // namespace suture
