// What is kept of every coldpatched file: its original and a record, in STATE/cold/BUILD-ID/DIGEST/PATH-HASH/. The
// record is also the journal: it names what is being done before it is done, so that the next run can finish it or take
// it back.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/hash.h"
#include "base/result.h"
#include "model/lineage.h"

namespace suture {

struct ColdRecord {
  enum class Phase { applying, applied, reverting };
  Phase phase = Phase::applying;
  std::string patch_id;
  uint64_t sequence = 1;
  std::vector<std::string> supersedes;
  std::string path;  // without symbolic links
  std::string build_id;
  Digest base_digest{};  // of the file that was replaced: the base, or what a superseded patch made of it
  Digest cold_digest{};
  std::string beside;  // name of the file written beside `path` while it is replaced
  int64_t since = 0;   // seconds since 1970
  Lineage lineage() const { return {patch_id, sequence, supersedes}; }
};
std::string_view name_of(ColdRecord::Phase phase);

class ColdJournal {
 public:
  // Without `state_folder`: $SUTURE_STATE_DIR, else /var/lib/suture. Nothing is created yet.
  static std::filesystem::path default_state_folder();
  explicit ColdJournal(std::filesystem::path state_folder);

  // One writer at a time; creates the folder, which only its owner may enter (originals of set-user-id programs, with
  // their holes, are kept in it).
  Result<Fd> lock() const;

  // Every readable record; those that cannot be read are named in `unreadable`.
  std::vector<ColdRecord> list(std::vector<std::string> *unreadable = nullptr) const;

  Status write(const ColdRecord &record) const;  // on disk when it returns
  Status remove(const ColdRecord &record) const;
  std::filesystem::path folder_of(const ColdRecord &record) const;
  std::filesystem::path original_of(const ColdRecord &record) const;

 private:
  std::filesystem::path root_;
};

}  // namespace suture
