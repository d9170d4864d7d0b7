#include "store/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>

#include "base/cat.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/ownership.h"
#include "package/manifest.h"
#include "store/entry.h"

namespace suture {

namespace fs = std::filesystem;

namespace {

constexpr const char *kEntryName = "entry.json";
constexpr uint64_t kMaxSequenceFileBytes = 64;

Status sync_folder(const fs::path &folder) {
  const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return Error::from_errno(errno, cat("fsync of ", folder.string()));
  return {};
}

// Creates the folder and those above it, each one durable before anything is put into it.
Status ensure_folder(const fs::path &folder) {
  if (::mkdir(folder.c_str(), 0755) == 0) return sync_folder(folder.parent_path());
  if (errno == EEXIST) return {};
  if (errno != ENOENT || folder == folder.parent_path())
    return Error::from_errno(errno, cat("creating ", folder.string()));
  TRY(ensure_folder(folder.parent_path()));
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST)
    return Error::from_errno(errno, cat("creating ", folder.string()));
  return sync_folder(folder.parent_path());
}

bool is_there(const fs::path &path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

// Names in a folder; none if there is no such folder.
Result<std::vector<std::string>> names_in(const fs::path &folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    names.push_back(entry->path().filename().string());
  if (error && error != std::errc::no_such_file_or_directory) return Error::from_errno(error.value(), folder.string());
  std::sort(names.begin(), names.end());
  return names;
}

// Package files of an entry that it does not name any more: of the version before, or of a crash. Failure is harmless.
void remove_leftovers(const fs::path &folder, const fs::path &keep) {
  const auto names = names_in(folder);
  if (!names) return;
  std::error_code ignored;
  for (const std::string &name : *names)
    if (name != kEntryName && name != keep.filename()) fs::remove(folder / name, ignored);
}

uint64_t now_unix_s() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

bool is_for_image(const StoredPackage &stored, const ImageId &build_id, const Digest &digest) {
  return std::any_of(stored.package.images.begin(), stored.package.images.end(), [&](const PackageImage &image) {
    return image.digest == digest || (build_id.kind != ImageId::Kind::none && image.build_id == build_id);
  });
}

}  // namespace

Result<Store> Store::open(const fs::path &folder) {
  std::error_code error;
  Store store(fs::absolute(folder, error));
  if (error) return Error::from_errno(error.value(), folder.string());
  for (const fs::path &part : {store.folder_, store.folder_ / "packages", store.folder_ / "sequences"}) {
    struct stat info {};
    if (::stat(part.c_str(), &info) != 0) {
      if (errno == ENOENT) continue;
      return Error::from_errno(errno, part.string());
    }
    if (!S_ISDIR(info.st_mode)) return Error::usage(cat(part.string(), " is not a folder"));
    TRY_WHILE(check_only_owner_writes(info), cat("opening the package store ", part.string()));
  }
  return store;
}

Result<Fd> Store::lock() const {
  TRY(ensure_folder(folder_));
  Fd fd(::open((folder_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return Error::from_errno(errno, cat("opening ", (folder_ / "lock").string()));
  while (::flock(fd.get(), LOCK_EX) != 0)
    if (errno != EINTR) return Error::from_errno(errno, cat("locking ", (folder_ / "lock").string()));
  return fd;
}

Result<StoredPackage> Store::read_entry(const std::string &id) const {
  const fs::path folder = entry_folder(id);
  const std::string json = TRY(read_text(folder / kEntryName, kMaxEntryBytes));
  StoredPackage stored = TRY(parse_entry(json, folder));
  if (stored.package.id != id) return Error::corrupt(cat("entry.json is that of ", stored.package.id));
  struct stat info {};
  if (::stat(stored.file.c_str(), &info) != 0) return Error::from_errno(errno, stored.file.string());
  if (static_cast<uint64_t>(info.st_size) != stored.file_bytes)
    return Error::corrupt(cat(stored.file.string(), " has ", info.st_size, " bytes, not ", stored.file_bytes));
  return stored;
}

Result<StoreListing> Store::list() const {
  StoreListing listing;
  for (const std::string &name : TRY(names_in(folder_ / "packages"))) {
    const fs::path folder = entry_folder(name);
    if (!is_package_id(name)) {
      listing.skipped.push_back({name, Error::corrupt("is not named like a package")});
      continue;
    }
    // Without entry.json it is what a crash left before an add was complete, or after a remove was.
    if (!is_there(folder / kEntryName)) continue;
    auto stored = read_entry(name);
    if (stored)
      listing.packages.push_back(std::move(*stored));
    else
      listing.skipped.push_back({name, std::move(stored.error()).during(cat("reading ", folder.string()))});
  }
  return listing;
}

Result<std::optional<StoredPackage>> Store::find(const std::string &id) const {
  if (!is_package_id(id)) return Error::usage(cat("\"", id, "\" is not a package id"));
  if (!is_there(entry_folder(id) / kEntryName)) return std::optional<StoredPackage>();
  return std::optional(TRY_WHILE(read_entry(id), cat("reading ", entry_folder(id).string())));
}

Result<std::vector<StoredPackage>> Store::find_for_image(const ImageId &build_id, const Digest &digest) const {
  std::vector<StoredPackage> found;
  StoreListing listing = TRY(list());
  for (StoredPackage &stored : listing.packages)
    if (is_for_image(stored, build_id, digest)) found.push_back(std::move(stored));
  return found;
}

Result<Bytes> Store::read(const StoredPackage &stored) const {
  Bytes file = TRY(read_file(stored.file, kMaxPackageBytes));
  if (sha256(file) != stored.file_digest)
    return Error::corrupt(cat(stored.file.string(), " is not what was installed: its digest differs"))
        .with_next(cat("install ", stored.package.id, " again"));
  return file;
}

Result<uint64_t> Store::highest_sequence(const std::string &id) const {
  if (!is_package_id(id)) return Error::usage(cat("\"", id, "\" is not a package id"));
  const fs::path file = sequence_file(id);
  if (!is_there(file)) return uint64_t{0};
  const std::string text = TRY(read_text(file, kMaxSequenceFileBytes));
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || std::string_view(end, static_cast<size_t>(text.data() + text.size() - end)) != "\n")
    return Error::corrupt(cat(file.string(), " does not hold a sequence number"));
  return value;
}

Status Store::check_sequence(const Package &package, Downgrade downgrade) const {
  if (downgrade == Downgrade::allow) return {};
  const uint64_t highest = TRY(highest_sequence(package.id));
  if (package.sequence >= highest) return {};
  return Error::refused(cat(package.id, " has sequence ", package.sequence, ", and ", highest, " was here before"))
      .with_next("take the newer package, or give --downgrade if you mean to go back");
}

Result<StoredPackage> Store::add(const VerifiedBytes &verified, const Package &package, Downgrade downgrade) {
  TRY(check_package(package));
  const Fd locked = TRY(lock());
  TRY(check_sequence(package, downgrade));
  StoredPackage stored;
  stored.package = package;
  stored.package.unknown_fields.clear();
  for (PackageImage &image : stored.package.images) {
    image.hot = Bytes();
    image.cold = Bytes();
  }
  stored.file_bytes = verified.file().size();
  stored.file_digest = sha256(verified.file());
  stored.file = entry_folder(package.id) / (to_hex(stored.file_digest) + ".hotpatch");
  if (verified.report().signature) stored.key_id = text_of(verified.report().signature->key_id);
  stored.accepted = verified.trusted() ? AllowUnsigned::no : AllowUnsigned::yes;
  stored.added_unix_s = now_unix_s();

  // The sequence first: a crash before the entry is there leaves one that the same package passes again.
  const auto known = highest_sequence(package.id);
  const uint64_t highest = std::max(known ? *known : 0, package.sequence);
  TRY(ensure_folder(folder_ / "sequences"));
  TRY(write_file_atomic(sequence_file(package.id), as_bytes(cat(highest, "\n"))));
  fault_point("store.sequence_written");
  TRY(ensure_folder(entry_folder(package.id)));
  TRY(write_file_atomic(stored.file, verified.file()));
  fault_point("store.file_written");
  const std::string entry = TRY(write_entry(stored));
  TRY(write_file_atomic(entry_folder(package.id) / kEntryName, as_bytes(entry)));
  fault_point("store.entry_written");
  // From here on the package is installed, and the version before it is not.
  remove_leftovers(entry_folder(package.id), stored.file);
  return stored;
}

Result<Removal> Store::remove(const std::string &id) {
  if (!is_package_id(id)) return Error::usage(cat("\"", id, "\" is not a package id"));
  if (!is_there(entry_folder(id))) return Removal::was_not_there;
  const Fd locked = TRY(lock());
  const fs::path entry = entry_folder(id) / kEntryName;
  const bool was_there = ::unlink(entry.c_str()) == 0;
  if (!was_there && errno != ENOENT) return Error::from_errno(errno, cat("removing ", entry.string()));
  TRY(sync_folder(entry_folder(id)));
  fault_point("store.entry_removed");
  // From here on it is not installed; what is left is litter.
  std::error_code error;
  fs::remove_all(entry_folder(id), error);
  return was_there ? Removal::removed : Removal::was_not_there;
}

}  // namespace suture
