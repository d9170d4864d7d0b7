#include "build/dependents.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/cat.h"
#include "base/file.h"
#include "build/tree.h"

namespace suture {

namespace fs = std::filesystem;

Status touch_dependents(const Records &built, const MovedTree &tree) {
  const std::set<std::string> moved = tree.as_seen();
  std::set<std::string> sources;
  for (const CompileRecord &compile : built.compiles)
    if (reads_one_of(compile, moved)) sources.insert(compile.sources.begin(), compile.sources.end());
  std::error_code error;
  const fs::path root = fs::canonical(tree.tree, error);
  for (const std::string &source : sources) {
    const fs::path path = path_below(tree.seen, source);
    if (path.empty() || moved.contains(source)) continue;
    // A build may have made links, to anywhere; what is gone was made and removed by it.
    const fs::path file = target_within(root, tree.tree / path);
    if (file.empty()) continue;
    if (::utimensat(AT_FDCWD, file.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) != 0) return Error::from_errno(errno, cat("touching ", path.string()));
  }
  return {};
}

}  // namespace suture
