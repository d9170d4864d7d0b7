// The packages installed on this host, on disk (docs/formats/store.md): which are to be applied to every process and
// file, now and later. An entry is there or it is not, also after a crash: its entry.json is written last and removed
// first. A damaged entry is skipped and named, and hides no other. The highest sequence ever seen of each id is kept
// beyond the entry's life, so that an old package (with the bugs that a later one repaired) cannot come back unnoticed.
// This layer knows nothing of processes, and does not decide whether a signature is good: it stores what was verified.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "package/format.h"

namespace suture {

struct StoredPackage {
  Package package;             // manifest only: no binaries
  std::filesystem::path file;  // the .hotpatch file as it was verified, signature included
  uint64_t file_bytes = 0;
  Digest file_digest{};
  std::string key_id;                          // whose signature it had; empty: unsigned
  AllowUnsigned accepted = AllowUnsigned::no;  // yes: the operator accepted it without a trusted signature
  uint64_t added_unix_s = 0;
};

struct SkippedEntry {
  std::string name;
  Error why;
};

struct StoreListing {
  std::vector<StoredPackage> packages;  // by id
  std::vector<SkippedEntry> skipped;
};

enum class Downgrade { refuse, allow };
enum class Removal { removed, was_not_there };

class Store {
 public:
  // A folder that is not there is an empty store. One that others than root or the caller may write is refused: what is
  // stored is applied without further questions.
  static Result<Store> open(const std::filesystem::path &folder);

  const std::filesystem::path &folder() const { return folder_; }

  Result<StoreListing> list() const;
  Result<std::optional<StoredPackage>> find(const std::string &id) const;
  // Those that have a patch for this image; skipped entries are dropped (list() names them).
  Result<std::vector<StoredPackage>> find_for_image(const ImageId &build_id, const Digest &digest) const;
  // The stored file, whose bytes are still those that were stored.
  Result<Bytes> read(const StoredPackage &stored) const;

  // 0 if the id was never seen.
  Result<uint64_t> highest_sequence(const std::string &id) const;
  // Refuses a sequence that is lower than one seen before.
  Status check_sequence(const Package &package, Downgrade downgrade) const;

  // Adds, or replaces the entry of the same id. Adding what is there already changes nothing.
  Result<StoredPackage> add(const VerifiedBytes &verified, const Package &package, Downgrade downgrade);
  // Also removes a damaged entry.
  Result<Removal> remove(const std::string &id);

 private:
  explicit Store(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path entry_folder(const std::string &id) const { return folder_ / "packages" / id; }
  std::filesystem::path sequence_file(const std::string &id) const { return folder_ / "sequences" / id; }
  Result<StoredPackage> read_entry(const std::string &id) const;
  Result<Fd> lock() const;

  std::filesystem::path folder_;
};

}  // namespace suture
