#include "build/dependents.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/cat.h"
#include "base/file.h"

namespace suture {

namespace fs = std::filesystem;

Status touch_dependents(const Records &built, const std::set<std::string> &moved, const fs::path &seen, const fs::path &tree) {
  std::set<std::string> files;
  for (const std::string &path : moved) files.insert((seen / path).string());
  const auto has_moved = [&](const std::string &file) { return files.contains(file); };
  std::set<std::string> sources;
  for (const CompileRecord &compile : built.compiles)
    if (std::any_of(compile.dependencies.begin(), compile.dependencies.end(), has_moved)) sources.insert(compile.sources.begin(), compile.sources.end());
  std::error_code error;
  const fs::path root = fs::canonical(tree, error);
  for (const std::string &source : sources) {
    const fs::path path = path_below(seen, source);
    if (path.empty() || has_moved(source)) continue;
    // A build may have made links, to anywhere; what is gone was made and removed by it.
    const fs::path file = fs::canonical(tree / path, error);
    if (error || path_below(root, file).empty()) continue;
    if (::utimensat(AT_FDCWD, file.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) != 0) return Error::from_errno(errno, cat("touching ", path.string()));
  }
  return {};
}

}  // namespace suture
