// The folder of links that stands first in PATH during a build: one per compiler and linker that PATH holds, all of
// them the wrapper. Only names that exist get a link, so that a configure script finds exactly the compilers there are.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace suture {

// (Re)creates `folder`, for the tools that `search_path` has below `root`. The links are hard links to one copy of `program`, so that /proc/self/exe tells the folder.
Status make_shim_folder(const std::filesystem::path &folder, const std::filesystem::path &program,
                        const std::string &search_path, const std::filesystem::path &root = "/");

// suture-cc beside the running program, or where it is installed relative to it.
Result<std::filesystem::path> find_shim_program();

}  // namespace suture
