#include "debian/left_behind.h"

#include <sys/stat.h>

#include <cerrno>

#include "base/cat.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr const char *kNext =
    "the build is hostile or broken: read its log, and remove the package's folder in the build cache";

Error left_wrong(const fs::path &path, std::string_view what) {
  return Error::corrupt(cat("the package's build left ", what, ": ", path.string())).with_next(kNext);
}

}  // namespace

Status check_left_behind(const fs::path &folder, const LeftLimits &limits) {
  std::error_code error;
  uint64_t entries = 0, total = 0;
  fs::recursive_directory_iterator it(folder, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const fs::path &path = it->path();
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) return Error::from_errno(errno, path.string());
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode))
      return left_wrong(path, "something that is neither a file nor a folder");
    if (++entries > limits.entries) return left_wrong(folder, cat("more than ", limits.entries, " files"));
    if (!S_ISREG(info.st_mode)) continue;
    const auto bytes = static_cast<uint64_t>(info.st_size);
    if (bytes > limits.file_bytes) return left_wrong(path, cat("a file of more than ", limits.file_bytes, " bytes"));
    total += bytes;
    if (total > limits.total_bytes) return left_wrong(folder, cat("more than ", limits.total_bytes, " bytes in all"));
  }
  if (error) return Error::failed(cat("cannot list ", folder.string(), ": ", error.message()));
  return {};
}

}  // namespace suture
