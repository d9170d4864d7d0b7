#include "host/placed_file.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/cat.h"
#include "base/file.h"

namespace suture {

namespace {

constexpr size_t kMaxAttributeBytes = 1 << 16;  // XATTR_SIZE_MAX
constexpr uint64_t kMaxImageBytes = uint64_t{4} << 30;
constexpr size_t kHoleBytes = 1 << 16;

Result<Fd> open_folder(const std::string &path) {
  Fd at(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  size_t begin = 0;
  while (at && begin < path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) {
      const std::string part = path.substr(begin, end - begin);
      at = Fd(::openat(at.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    }
    begin = end + 1;
  }
  if (!at) return Error::from_errno(errno, path);
  Fd folder(::openat(at.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));  // fsync needs more than O_PATH
  if (!folder) return Error::from_errno(errno, path);
  return folder;
}

Result<Bytes> read_attribute(int fd, const char *name) {
  Bytes value(kMaxAttributeBytes);
  const ssize_t got = ::fgetxattr(fd, name, value.data(), value.size());
  if (got < 0) return Error::from_errno(errno, cat("reading attribute ", name));
  value.resize(static_cast<size_t>(got));
  return value;
}

Result<std::map<std::string, Bytes>> read_attributes(int fd) {
  std::map<std::string, Bytes> attributes;
  std::string names(kMaxAttributeBytes, '\0');
  const ssize_t got = ::flistxattr(fd, names.data(), names.size());
  if (got < 0 && errno == ENOTSUP) return attributes;
  if (got < 0) return Error::from_errno(errno, "listing extended attributes");
  names.resize(static_cast<size_t>(got));
  for (size_t at = 0; at < names.size();) {
    const char *name = names.c_str() + at;
    attributes[name] = TRY(read_attribute(fd, name));
    at += attributes.find(name)->first.size() + 1;
  }
  return attributes;
}

// Writes, leaving out long runs of zeros so that they take no room on disk.
Status write_sparse(int fd, ByteView content) {
  for (size_t at = 0; at < content.size(); at += kHoleBytes) {
    const ByteView chunk = content.subspan(at, std::min(kHoleBytes, content.size() - at));
    if (std::all_of(chunk.begin(), chunk.end(), [](uint8_t byte) { return byte == 0; })) {
      if (::lseek(fd, static_cast<off_t>(chunk.size()), SEEK_CUR) < 0) return Error::from_errno(errno, "lseek");
    } else {
      TRY(write_all(fd, chunk));
    }
  }
  if (::ftruncate(fd, static_cast<off_t>(content.size())) != 0) return Error::from_errno(errno, "ftruncate");
  return {};
}

bool same_time(const timespec &a, const timespec &b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// What stat(2) has no words for.
Result<uint64_t> attributes_of(int fd) {
  struct statx info {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &info) != 0) return Error::from_errno(errno, "statx");
  return uint64_t{info.stx_attributes};
}

}  // namespace

Result<FileMetadata> read_metadata(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return Error::from_errno(errno, "fstat");
  FileMetadata metadata;
  metadata.mode = info.st_mode & 07777;
  metadata.owner = info.st_uid;
  metadata.group = info.st_gid;
  metadata.accessed = info.st_atim;
  metadata.modified = info.st_mtim;
  metadata.attributes = TRY(read_attributes(fd));
  return metadata;
}

Status set_metadata(int fd, const FileMetadata &metadata) {
  // The owner first: chown takes away set-id bits and capabilities. Then the mode, which an ACL set later agrees with.
  if (::fchown(fd, metadata.owner, metadata.group) != 0) return Error::from_errno(errno, "giving the file its owner");
  if (::fchmod(fd, metadata.mode) != 0) return Error::from_errno(errno, "giving the file its mode");
  for (const auto &[name, value] : metadata.attributes)
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0)
      return Error::from_errno(errno, cat("giving the file its attribute ", name));
  const timespec times[2] = {metadata.accessed, metadata.modified};
  if (::futimens(fd, times) != 0) return Error::from_errno(errno, "giving the file its times");

  const FileMetadata found = TRY(read_metadata(fd));
  if (found.mode != metadata.mode || found.owner != metadata.owner || found.group != metadata.group ||
      !same_time(found.modified, metadata.modified) || found.attributes != metadata.attributes)
    return Error::refused("the file system does not keep the file's mode, owner, times and attributes as they are");
  return {};
}

Result<PlacedFile> PlacedFile::open(const std::filesystem::path &path) {
  char *resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return Error::from_errno(errno, path.string());
  PlacedFile placed;
  placed.path_ = resolved;
  std::free(resolved);
  const size_t slash = placed.path_.find_last_of('/');
  placed.name_ = placed.path_.substr(slash + 1);
  placed.folder_ = TRY(open_folder(placed.path_.substr(0, slash)));
  // O_NONBLOCK: what looked like a file may be a pipe by now.
  placed.file_ =
      Fd(::openat(placed.folder(), placed.name_.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!placed.file_ || ::fstat(placed.file(), &placed.info_) != 0) return Error::from_errno(errno, placed.path_);
  if (!S_ISREG(placed.info_.st_mode)) return Error::refused(cat(placed.path_, " is not a regular file"));
  return placed;
}

Result<Bytes> PlacedFile::read() const {
  if (::lseek(file(), 0, SEEK_SET) < 0) return Error::from_errno(errno, path_);
  return TRY_WHILE(read_all(file(), kMaxImageBytes), cat("reading ", path_));
}

Status PlacedFile::check_replaceable() const {
  const uint64_t attributes = TRY(attributes_of(file()));
  const uint64_t folder_attributes = TRY(attributes_of(folder()));
  struct statvfs system {};
  if (::fstatvfs(folder(), &system) != 0) return Error::from_errno(errno, path_);
  if (attributes & STATX_ATTR_MOUNT_ROOT)
    return Error::refused(
        cat(path_, " is covered by a mount of its own; the file below it cannot be replaced from here"));
  if (system.f_flag & ST_RDONLY) return Error::refused(cat(path_, " is on a file system mounted read-only"));
  if ((attributes | folder_attributes) & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND))
    return Error::refused(cat(path_, " or its folder is marked immutable or append-only (chattr)"));
  if (attributes & STATX_ATTR_VERITY) return Error::refused(cat(path_, " is sealed by fs-verity"));
  if (info_.st_nlink != 1)
    return Error::refused(
        cat(path_, " has ", info_.st_nlink, " names (hard links); only one of them would be patched"));
  for (const auto &[name, value] : TRY(read_attributes(file())))
    if (name == "security.ima" || name == "security.evm")
      return Error::refused(cat(path_, " carries ", name, ", which binds it to its present content"));
  return {};
}

Status PlacedFile::check_unchanged() const {
  struct stat now {};
  if (::fstatat(folder(), name_.c_str(), &now, AT_SYMLINK_NOFOLLOW) != 0) return Error::from_errno(errno, path_);
  if (now.st_dev != info_.st_dev || now.st_ino != info_.st_ino || now.st_size != info_.st_size ||
      !same_time(now.st_mtim, info_.st_mtim))
    return Error::refused(cat(path_, " was changed by someone else just now"));
  return {};
}

Status PlacedFile::write_beside(const std::string &name, ByteView content, const FileMetadata &metadata) const {
  const Fd fd(::openat(folder(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return Error::from_errno(errno, cat("creating a file beside ", path_));
  Status done = write_sparse(fd.get(), content);
  if (done) done = set_metadata(fd.get(), metadata);
  if (done && ::fsync(fd.get()) != 0) done = Error::from_errno(errno, "fsync");
  if (done) return {};
  (void)::unlinkat(folder(), name.c_str(), 0);  // the journal names it, should this fail
  return std::move(done.error()).during(cat("writing a file beside ", path_));
}

Status PlacedFile::replace_by(const std::string &name) const {
  if (::renameat(folder(), name.c_str(), folder(), name_.c_str()) != 0)
    return Error::from_errno(errno, cat("replacing ", path_));
  return {};
}

Status remove_if_there(int folder, const std::string &name) {
  if (::unlinkat(folder, name.c_str(), 0) != 0 && errno != ENOENT)
    return Error::from_errno(errno, cat("removing ", name));
  return {};
}

}  // namespace suture
