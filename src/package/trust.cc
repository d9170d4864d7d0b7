#include "package/trust.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/cat.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/ownership.h"

namespace suture {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMaxKeyFileBytes = 4096;
constexpr size_t kMaxTrustedKeys = 4096;

enum class Owner { any, checked };

Result<TrustedKey> read_key(const fs::path &file, Owner owner) {
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return Error::from_errno(errno, "open");
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return Error::from_errno(errno, "fstat");
  if (owner == Owner::checked) {
    if (!S_ISREG(info.st_mode)) return Error::refused("is not a regular file");
    TRY(check_only_owner_writes(info));
  }
  const Bytes bytes = TRY(read_all(fd.get(), kMaxKeyFileBytes));
  return TrustedKey{TRY(parse_public_key(as_text(bytes))), file.string()};
}

}  // namespace

Result<TrustStore> TrustStore::load(const fs::path &folder) {
  TrustStore store;
  store.origin_ = folder.string();
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) {
    if (errno != ENOENT) return Error::from_errno(errno, cat("trust folder ", folder.string()));
    store.notes_.push_back(cat(folder.string(), ": there is no such folder"));
    return store;
  }
  if (!S_ISDIR(info.st_mode)) return Error::usage(cat(folder.string(), " is not a folder of public keys"));
  TRY_WHILE(check_only_owner_writes(info), cat("reading trust folder ", folder.string()));
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().extension() == ".pub" && files.size() < kMaxTrustedKeys) files.push_back(entry->path());
  if (error) return Error::from_errno(error.value(), cat("trust folder ", folder.string()));
  std::sort(files.begin(), files.end());
  for (const fs::path &file : files) {
    auto key = read_key(file, Owner::checked);
    if (key)
      store.keys_.push_back(std::move(*key));
    else
      store.notes_.push_back(cat(file.string(), ": not trusted: ", key.error().line()));
  }
  return store;
}

Result<TrustStore> TrustStore::of_file(const fs::path &file) {
  TrustStore store;
  store.origin_ = file.string();
  store.keys_.push_back(TRY_WHILE(read_key(file, Owner::any), cat("reading public key ", file.string())));
  return store;
}

TrustStore TrustStore::of(std::vector<TrustedKey> keys) {
  TrustStore store;
  store.keys_ = std::move(keys);
  store.origin_ = "the keys given";
  return store;
}

std::vector<const TrustedKey *> TrustStore::find(const KeyId &id) const {
  std::vector<const TrustedKey *> found;
  for (const TrustedKey &key : keys_)
    if (key.key.id == id) found.push_back(&key);
  return found;
}

}  // namespace suture
