#include "build/object_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "base/cat.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/hash.h"

namespace suture {
namespace fs = std::filesystem;

Status write_file_quick(const fs::path &path, ByteView bytes, unsigned mode) {
  static std::atomic<unsigned> serial = 0;
  std::error_code ignored;  // an existing folder is fine; a missing one shows in open below
  fs::create_directories(path.parent_path(), ignored);
  const fs::path temporary = path.parent_path() / cat(".", path.filename().string(), ".", ::getpid(), ".", serial++);
  {
    const Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!fd) return Error::from_errno(errno, cat("cannot create ", temporary.string()));
    const Status written = write_all(fd.get(), bytes);
    if (!written) {
      ::unlink(temporary.c_str());
      return written;
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int why = errno;
    ::unlink(temporary.c_str());
    return Error::from_errno(why, cat("cannot rename to ", path.string()));
  }
  return {};
}

fs::path ObjectStore::path_of(const std::string &name) const {
  return root_ / name.substr(0, 2) / name.substr(2);
}

bool ObjectStore::has(const std::string &name) const {
  return ::access(path_of(name).c_str(), R_OK) == 0;
}

Result<std::string> ObjectStore::add(ByteView bytes) const {
  const std::string name = to_hex(sha256(bytes));
  // Read-only: snapshots are what the patch is made of, and a stray `>` must not reach them.
  if (!has(name)) TRY(write_file_quick(path_of(name), bytes, 0444));
  return name;
}

Result<std::string> ObjectStore::add_file(const fs::path &path) const {
  return add(TRY(read_file(path)));
}

Status ObjectStore::copy_out(const std::string &name, const fs::path &to, unsigned mode) const {
  const Bytes bytes = TRY(read_file(path_of(name)));
  if (::unlink(to.c_str()) != 0 && errno != ENOENT)
    return Error::from_errno(errno, cat("cannot replace ", to.string()));
  const Fd fd(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd) return Error::from_errno(errno, cat("cannot create ", to.string()));
  return write_all(fd.get(), bytes);
}

}  // namespace suture
