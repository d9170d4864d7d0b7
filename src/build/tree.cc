#include "build/tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "base/cat.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/hash.h"
#include "build/object_store.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

// Calls visit(relative path, lstat) for everything below `root` but folders' own inodes when `visit` is for files only.
Status walk(const fs::path &root,
            const std::function<Status(const fs::path &relative, const struct stat &info)> &visit) {
  std::error_code error;
  fs::recursive_directory_iterator it(root, fs::directory_options::none, error);
  if (error) return Error::failed(cat("cannot list ", root.string(), ": ", error.message()));
  for (; it != fs::recursive_directory_iterator(); it.increment(error)) {
    struct stat info {};
    if (::lstat(it->path().c_str(), &info) != 0) return Error::from_errno(errno, it->path().string());
    TRY(visit(it->path().lexically_relative(root), info));
  }
  if (error) return Error::failed(cat("cannot list ", root.string(), ": ", error.message()));
  return {};
}

Status copy_regular(const fs::path &from, const fs::path &to, const struct stat &info) {
  const Fd in(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in) return Error::from_errno(errno, from.string());
  const Fd out(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (info.st_mode & 07777) | S_IWUSR));
  if (!out) return Error::from_errno(errno, to.string());
  for (;;) {
    const ssize_t copied = ::copy_file_range(in.get(), nullptr, out.get(), nullptr, size_t{1} << 30, 0);
    if (copied == 0) break;
    if (copied < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
      const Bytes rest = TRY(read_all(in.get(), kMaxFileBytes));
      TRY(write_all(out.get(), rest));
      break;
    }
    if (copied < 0) return Error::from_errno(errno, cat("copying ", from.string()));
  }
  const timespec times[2] = {info.st_atim, info.st_mtim};
  if (::fchmod(out.get(), (info.st_mode & 07777) | S_IWUSR) != 0 || ::futimens(out.get(), times) != 0)
    return Error::from_errno(errno, to.string());
  return {};
}

Status copy_link(const fs::path &from, const fs::path &to, const struct stat &info) {
  std::error_code error;
  const fs::path target = fs::read_symlink(from, error);
  if (error || ::symlink(target.c_str(), to.c_str()) != 0) return Error::from_errno(errno, to.string());
  const timespec times[2] = {info.st_atim, info.st_mtim};
  ::utimensat(AT_FDCWD, to.c_str(), times, AT_SYMLINK_NOFOLLOW);
  return {};
}

struct Entry {
  mode_t type;
  mode_t executable;
  int64_t size;
};

Result<std::map<std::string, Entry>> list_files(const fs::path &root) {
  std::map<std::string, Entry> entries;
  TRY(walk(root, [&](const fs::path &relative, const struct stat &info) -> Status {
    if (S_ISREG(info.st_mode) || S_ISLNK(info.st_mode))
      entries[relative.string()] = {info.st_mode & S_IFMT, info.st_mode & S_IXUSR, info.st_size};
    return {};
  }));
  return entries;
}

Result<std::string> link_target(const fs::path &path) {
  std::error_code error;
  const fs::path target = fs::read_symlink(path, error);
  if (error) return Error::failed(cat(path.string(), ": ", error.message()));
  return target.string();
}

// Of two files of one size. Source trees have large files that are no source, so neither is held whole.
Result<bool> have_equal_bytes(const fs::path &a, const fs::path &b) {
  std::ifstream other(b, std::ios::binary);
  if (!other) return Error::from_errno(errno, b.string());
  bool equal = true;
  std::string beside;
  TRY(read_blocks(a, [&](ByteView block) {
    if (!equal) return;
    beside.resize(block.size());
    other.read(beside.data(), static_cast<std::streamsize>(beside.size()));
    equal = other.gcount() == static_cast<std::streamsize>(beside.size()) && as_text(block) == beside;
  }));
  return equal;
}

Result<bool> is_same(const Entry &entry, const fs::path &a, const fs::path &b) {
  if (entry.type == S_IFREG) return have_equal_bytes(a, b);
  return TRY(link_target(a)) == TRY(link_target(b));
}

Result<Digest> content_digest(const Entry &entry, const fs::path &path) {
  if (entry.type == S_IFREG) return sha256_of_file(path);
  return sha256(as_bytes(TRY(link_target(path))));
}

}  // namespace

fs::path target_within(const fs::path &root, const fs::path &path) {
  std::error_code error;
  fs::path target = fs::canonical(path, error);
  return error || path_below(root, target).empty() ? fs::path() : target;
}

Status copy_tree(const fs::path &from, const fs::path &to) {
  std::error_code error;
  if (!fs::is_directory(from, error)) return Error::usage(cat(from.string(), " is not a folder"));
  fs::create_directories(to.parent_path(), error);
  if (::mkdir(to.c_str(), 0755) != 0) return Error::from_errno(errno, cat("cannot create ", to.string()));
  return walk(from, [&](const fs::path &relative, const struct stat &info) -> Status {
    const fs::path target = to / relative;
    if (S_ISDIR(info.st_mode)) {
      if (::mkdir(target.c_str(), (info.st_mode & 07777) | S_IRWXU) != 0)
        return Error::from_errno(errno, target.string());
    } else if (S_ISREG(info.st_mode)) {
      TRY(copy_regular(from / relative, target, info));
    } else if (S_ISLNK(info.st_mode)) {
      TRY(copy_link(from / relative, target, info));
    }
    return {};  // sockets, pipes and devices are no part of a source tree
  });
}

Result<std::vector<TreeChange>> compare_trees(const fs::path &pre, const fs::path &post) {
  const std::map<std::string, Entry> before = TRY(list_files(pre)), after = TRY(list_files(post));
  std::vector<TreeChange> changes;
  for (const auto &[path, entry] : before)
    if (!after.contains(path)) changes.push_back({path, TreeChangeKind::removed});
  for (const auto &[path, entry] : after) {
    const auto twin = before.find(path);
    if (twin == before.end()) {
      changes.push_back({path, TreeChangeKind::added});
      continue;
    }
    const Entry &old = twin->second;
    bool same = old.type == entry.type && old.executable == entry.executable && old.size == entry.size;
    same = same && TRY(is_same(entry, pre / path, post / path));
    if (!same) changes.push_back({path, TreeChangeKind::changed});
  }
  std::sort(changes.begin(), changes.end(), [](const TreeChange &a, const TreeChange &b) { return a.path < b.path; });
  return changes;
}

Result<TreeManifest> read_manifest(const fs::path &tree) {
  TreeManifest manifest;
  for (const auto &[path, entry] : TRY(list_files(tree)))
    manifest[path] = cat(entry.type, " ", entry.executable, " ", to_hex(TRY(content_digest(entry, tree / path))));
  return manifest;
}

std::vector<TreeChange> compare_manifests(const TreeManifest &pre, const TreeManifest &post) {
  std::vector<TreeChange> changes;
  for (const auto &[path, content] : pre)
    if (!post.contains(path)) changes.push_back({path, TreeChangeKind::removed});
  for (const auto &[path, content] : post) {
    const auto twin = pre.find(path);
    if (twin == pre.end())
      changes.push_back({path, TreeChangeKind::added});
    else if (twin->second != content)
      changes.push_back({path, TreeChangeKind::changed});
  }
  return changes;
}

Result<WantedFile> read_wanted(const fs::path &path) {
  WantedFile wanted;
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return wanted;
    return Error::from_errno(errno, path.string());
  }
  if (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode))
    return Error::refused(cat(path.string(), " is neither a file nor a link"));
  wanted.type = S_ISREG(info.st_mode) ? WantedFile::Type::regular : WantedFile::Type::link;
  if (wanted.type == WantedFile::Type::regular) {
    wanted.content = TRY(read_file(path));
  } else {
    const std::string target = TRY(link_target(path));
    wanted.content.assign(target.begin(), target.end());
  }
  wanted.mode = info.st_mode & 07777;
  return wanted;
}

Result<bool> put_wanted(const fs::path &path, const WantedFile &wanted) {
  const WantedFile now = TRY(read_wanted(path));
  const bool executable_differs = ((now.mode ^ wanted.mode) & S_IXUSR) != 0 && wanted.type == WantedFile::Type::regular;
  if (now.type == wanted.type && now.content == wanted.content && !executable_differs) return false;
  if (now.type != WantedFile::Type::absent && ::unlink(path.c_str()) != 0)
    return Error::from_errno(errno, path.string());
  if (wanted.type == WantedFile::Type::absent) return true;
  if (wanted.type == WantedFile::Type::regular) {
    TRY(write_file_quick(path, wanted.content, wanted.mode | S_IWUSR));
    return true;
  }
  std::error_code ignored;  // shows in symlink below
  fs::create_directories(path.parent_path(), ignored);
  const std::string target(as_text(wanted.content));
  if (::symlink(target.c_str(), path.c_str()) != 0) return Error::from_errno(errno, path.string());
  return true;
}

}  // namespace suture
