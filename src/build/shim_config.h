// What the driver tells the compiler wrapper: one small file beside the wrapper's links, found through /proc/self/exe,
// so that it is found also where a build starts its compilers with an empty environment.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace suture {

struct ShimConfig {
  std::filesystem::path state;  // the work folder: records/, store/, cache/, tmp/
  std::string phase;            // the folder below records/ for this build
  std::filesystem::path tree;   // where the tree is being built
  std::string search_path;      // PATH as the driver has it, for builds that clear it
  // Base names of files that the post tree adds: a cached compilation that mentions one may now find it, so it is not
  // reused.
  std::vector<std::string> added_names;
  // Outputs that need not be linked again, and what they hold (unused_outputs.h).
  std::map<std::string, std::string> unused_outputs;

  std::filesystem::path records() const { return state / "records" / phase; }
  std::filesystem::path store() const { return state / "store"; }
  std::filesystem::path cache() const { return state / "cache"; }
  std::filesystem::path tmp() const { return state / "tmp"; }
  std::filesystem::path include() const { return state / "include"; }  // suture/patch.h
};

Result<ShimConfig> read_shim_config(const std::filesystem::path &shim_folder);
Status write_shim_config(const std::filesystem::path &shim_folder, const ShimConfig &config);

}  // namespace suture
