// Makes the tree after a fix from the tree before it and patch files (`suture build --source DIR --patch FILE...`).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace suture {

// Copies `source` to `post` (which must not exist yet) and applies the patches in order, as `patch -p1` does but
// without fuzz: a hunk whose context is not found as it stands is refused, naming patch, file and hunk. Offsets are
// fine.
Status make_patched_tree(const std::filesystem::path &source, const std::vector<std::filesystem::path> &patches,
                         const std::filesystem::path &post);

// The same in a tree that is there, which is left half patched when it is refused.
Status apply_patches(const std::filesystem::path &tree, const std::vector<std::filesystem::path> &patches);

// Takes patches that were applied to `tree` out of it, the last one first. Refused when later ones build on what one changed.
Status take_back_patches(const std::filesystem::path &tree, const std::vector<std::filesystem::path> &patches);

// What a run of patch(1) that failed printed, made into one sentence: which hunks of which files.
std::string describe_patch_failure(std::string_view output);

}  // namespace suture
