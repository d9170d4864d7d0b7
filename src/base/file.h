// Whole files in and out. Writing is atomic: temporary file beside, fsync, rename, fsync of the folder.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"

namespace suture {

// Reads a regular file of at most `limit_bytes`.
inline constexpr uint64_t kMaxFileBytes = uint64_t{4} << 30;
Result<Bytes> read_file(const std::filesystem::path &path, uint64_t limit_bytes = kMaxFileBytes);
Result<std::string> read_text(const std::filesystem::path &path, uint64_t limit_bytes = kMaxFileBytes);
// `path` relative to `folder`, going by names alone; empty when it is not below it.
std::filesystem::path path_below(const std::filesystem::path &folder, const std::filesystem::path &path);
// Gives a file of any size piece by piece, to one who need not hold it whole.
Status read_blocks(const std::filesystem::path &path, const std::function<void(ByteView)> &take);
// The last bytes of a file that may be of any size, a log; empty when it cannot be read.
std::string end_of_file(const std::filesystem::path &path, uint64_t most_bytes = 64u << 10);
// Reads from an open descriptor, which need not tell its size (/proc files).
Result<Bytes> read_all(int fd, uint64_t limit_bytes);

// Replaces `path` by a file with these bytes and mode; either the old or the new file is there after a crash.
Status write_file_atomic(const std::filesystem::path &path, ByteView bytes, unsigned mode = 0644);
// Writes all bytes to an open descriptor.
Status write_all(int fd, ByteView bytes);

// A folder under `parent` (default: the system's) that is removed with all in it when the owner goes.
class TempDir {
 public:
  static Result<TempDir> create(const std::string &prefix, const std::filesystem::path &parent = {});
  TempDir(TempDir &&other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir &operator=(TempDir &&other) noexcept;
  ~TempDir();
  const std::filesystem::path &path() const { return path_; }
  // Leaves the folder where it is.
  void keep() && { path_.clear(); }

 private:
  explicit TempDir(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace suture
