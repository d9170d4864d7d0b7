// What of a fix no compilation reads: code for another system, text that only generates what the package ships ready-made, or a part that
// is configured out. No object differs by it, so nothing else would tell that the patch comes without it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "build/record.h"
#include "build/tree.h"

namespace suture {

// Of the changes, the C and C++ files (in `post_dir`, removed ones in `pre_dir`) of whose name no compilation read one; relative to the
// tree. Not those of tests, examples and documentation, and none at all where some compiler did not tell what it read.
Result<std::vector<std::string>> unread_changes(const std::vector<TreeChange> &changes, const Records &records, const std::filesystem::path &pre_dir,
                                                const std::filesystem::path &post_dir);

}  // namespace suture
