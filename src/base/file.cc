#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

#include "base/cat.h"

namespace suture {

namespace fs = std::filesystem;

namespace {

template <typename Content>  // Bytes or std::string
Result<Content> read_whole(int fd, uint64_t limit_bytes) {
  Content content;
  struct stat info {};
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
    if (static_cast<uint64_t>(info.st_size) > limit_bytes)
      return Error::refused(cat("larger than ", limit_bytes, " bytes"));
    content.reserve(static_cast<size_t>(info.st_size) + 1);
  }
  constexpr size_t kChunkBytes = 1 << 16;
  for (;;) {
    const size_t have = content.size();
    if (have > limit_bytes) return Error::refused(cat("larger than ", limit_bytes, " bytes"));
    // The room that was reserved holds a byte more than the file, so that its end is seen without more.
    if (have == content.capacity()) content.reserve(have + std::max(have, kChunkBytes));
    content.resize(content.capacity());
    const ssize_t got = ::read(fd, content.data() + have, content.size() - have);
    if (got < 0 && errno == EINTR) {
      content.resize(have);
      continue;
    }
    if (got < 0) return Error::from_errno(errno, "read");
    content.resize(have + static_cast<size_t>(got));
    if (got == 0) return content;
  }
}

Result<Fd> open_to_read(const fs::path &path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return Error::from_errno(errno, path.string());
  return fd;
}

}  // namespace

Result<Bytes> read_all(int fd, uint64_t limit_bytes) { return read_whole<Bytes>(fd, limit_bytes); }

Result<Bytes> read_file(const fs::path &path, uint64_t limit_bytes) {
  const Fd fd = TRY(open_to_read(path));
  return TRY_WHILE(read_whole<Bytes>(fd.get(), limit_bytes), cat("reading ", path.string()));
}

Result<std::string> read_text(const fs::path &path, uint64_t limit_bytes) {
  const Fd fd = TRY(open_to_read(path));
  return TRY_WHILE(read_whole<std::string>(fd.get(), limit_bytes), cat("reading ", path.string()));
}

fs::path path_below(const fs::path &folder, const fs::path &path) {
  fs::path relative = path.lexically_relative(folder);
  return relative.empty() || *relative.begin() == ".." ? fs::path() : relative;
}

Status read_blocks(const fs::path &path, const std::function<void(ByteView)> &take) {
  const Fd fd = TRY(open_to_read(path));
  Bytes block(size_t{1} << 16);
  for (;;) {
    const ssize_t got = ::read(fd.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::from_errno(errno, cat("reading ", path.string()));
    if (got == 0) return {};
    take(ByteView(block).first(static_cast<size_t>(got)));
  }
}

std::string end_of_file(const fs::path &path, uint64_t most_bytes) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  const auto size = static_cast<uint64_t>(info.st_size);
  std::string text(std::min(size, most_bytes), '\0');
  const ssize_t got = ::pread(fd.get(), text.data(), text.size(), static_cast<off_t>(size - text.size()));
  text.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return text;
}

Status write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return Error::from_errno(errno, "write");
    bytes = bytes.subspan(static_cast<size_t>(wrote));
  }
  return {};
}

Status write_file_atomic(const fs::path &path, ByteView bytes, unsigned mode) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::string temporary = (folder / cat(".", path.filename().string(), ".XXXXXX")).string();
  const Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return Error::from_errno(errno, cat("creating a file beside ", path.string()));
  const auto give_up = [&](Error error) {
    ::unlink(temporary.c_str());
    return std::move(error).during(cat("writing ", path.string()));
  };
  if (auto written = write_all(fd.get(), bytes); !written) return give_up(written.error());
  if (::fchmod(fd.get(), mode) != 0) return give_up(Error::from_errno(errno, "fchmod"));
  if (::fsync(fd.get()) != 0) return give_up(Error::from_errno(errno, "fsync"));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return give_up(Error::from_errno(errno, "rename"));
  const Fd dir(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir || ::fsync(dir.get()) != 0) return Error::from_errno(errno, cat("fsync of ", folder.string()));
  return {};
}

Result<TempDir> TempDir::create(const std::string &prefix, const fs::path &parent) {
  std::string name = ((parent.empty() ? fs::temp_directory_path() : parent) / (prefix + ".XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) return Error::from_errno(errno, cat("creating ", name));
  return TempDir(fs::path(name));
}

TempDir &TempDir::operator=(TempDir &&other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

TempDir::~TempDir() {
  std::error_code ignored;  // nothing can be done about it here
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

}  // namespace suture
