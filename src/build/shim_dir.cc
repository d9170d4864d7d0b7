#include "build/shim_dir.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>

#include "base/cat.h"
#include "build/cc_shim/shim.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kShimName = "suture-cc";

// In another root an absolute link cannot be followed from here; it counts as the tool it is named after.
bool is_program(const fs::path &path, const fs::path &root) {
  std::error_code error;
  if (root != "/" && fs::is_symlink(path, error)) return true;
  return ::access(path.c_str(), X_OK) == 0;
}

std::set<std::string> tool_names(const std::string &search_path, const fs::path &root) {
  std::set<std::string> names;
  for (size_t at = 0; at <= search_path.size();) {
    const size_t colon = std::min(search_path.find(':', at), search_path.size());
    const fs::path named = search_path.substr(at, colon - at);
    const fs::path folder = root == "/" ? named : root / named.relative_path();
    at = colon + 1;
    std::error_code error;
    for (const fs::directory_entry &entry : fs::directory_iterator(folder, error)) {
      std::string name = entry.path().filename().string();
      if (name == kShimName) continue;  // this program itself, when its folder is in PATH
      const bool wrapped = is_compiler_name(name) || is_linker_name(name) || is_build_tool_name(name);
      if (wrapped && is_program(entry.path(), root))
        names.insert(std::move(name));
    }
  }
  return names;
}

Status link_as(const fs::path &program, const fs::path &name) {
  if (::link(program.c_str(), name.c_str()) != 0) return Error::from_errno(errno, cat("cannot link ", name.string()));
  return {};
}

}  // namespace

Status make_shim_folder(const fs::path &folder, const fs::path &program, const std::string &search_path,
                        const fs::path &root) {
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  const fs::path copy = folder / kShimName;
  fs::copy_file(program, copy, fs::copy_options::overwrite_existing, error);
  if (error) return Error::failed(cat("cannot copy ", program.string(), " to ", copy.string(), ": ", error.message()));
  const std::set<std::string> names = tool_names(search_path, root);
  if (std::none_of(names.begin(), names.end(), is_compiler_name)) return Error::failed(cat("PATH holds no compiler: ", search_path));
  for (const std::string &name : names) TRY(link_as(copy, folder / name));
  const fs::path sub = folder / kSubprogramFolder;
  fs::create_directories(sub, error);
  for (const char *name : {"cc1", "cc1plus"}) TRY(link_as(copy, sub / name));
  for (const std::string &name : names)
    if (is_linker_name(name)) TRY(link_as(copy, sub / name));
  return {};
}

Result<fs::path> find_shim_program() {
  if (const char *chosen = ::getenv("SUTURE_CC_PROGRAM"); chosen != nullptr && *chosen != '\0') return fs::path(chosen);
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char *place : {"suture-cc", "../suture-cc", "../libexec/suture/suture-cc"})
    if (::access((here / place).c_str(), X_OK) == 0) return (here / place).lexically_normal();
  return Error::failed(cat("the compiler wrapper suture-cc is not beside the program in ", here.string()))
      .with_next("install it, or name it in SUTURE_CC_PROGRAM");
}

}  // namespace suture
