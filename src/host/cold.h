// Coldpatches on disk: the file of an image is replaced by the coldpatched one and back. Running processes keep the
// file they have mapped. Either the old or the new file is in place whenever this stops, whyever it stops; what an
// interrupted run left behind is put in order by the next one.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/cold_journal.h"
#include "model/image_id.h"

namespace suture {

struct ColdOptions {
  std::filesystem::path state_folder;  // empty: ColdJournal::default_state_folder()
};

struct ColdRequest {
  std::string patch_id;
  std::filesystem::path path;  // of the file to replace; symbolic links in it are followed once
  ImageId base_id;
  Digest base_digest{};
  ByteView cold;  // the whole coldpatched file
  uint64_t sequence = 1;
  std::vector<std::string> supersedes = {};  // ids of patches whose coldpatched file it may take the place of
  Lineage lineage() const { return {patch_id, sequence, supersedes}; }
};

struct ColdResult {
  enum class Outcome { applied, already };
  std::string path;  // without symbolic links
  Outcome outcome = Outcome::applied;
  std::string note;  // what the operator should know: the patch whose place it takes, or that contains it
};

// All files or none: every one is checked before the first is replaced, and a failure takes back those replaced so far.
// Refused when a file is neither the patch's base nor its coldpatched form, nor what patches that this one supersedes
// made of the base.
Result<std::vector<ColdResult>> apply_cold(std::span<const ColdRequest> requests, const ColdOptions &options);

// What apply_cold would do, changing nothing.
Result<std::vector<ColdResult>> check_cold(std::span<const ColdRequest> requests, const ColdOptions &options);

// Puts the originals of all files with this patch back; returns their paths. Refused when there is none, or when a file
// is not what this patch made of it (a later patch or an upgrade replaced it). A patch that took the place of others brings
// theirs back.
Result<std::vector<std::string>> revert_cold(const std::string &patch_id, const ColdOptions &options);

struct ColdStatus {
  // interrupted: the next apply or revert puts it in order. replaced: by someone else since (an upgrade). missing:
  // removed.
  // superseded: a patch that contains its fixes took its place.
  enum class State { applied, superseded, interrupted, replaced, missing };
  ColdRecord record;
  State state = State::applied;
};
std::string_view name_of(ColdStatus::State state);

struct ColdList {
  std::vector<ColdStatus> files;
  std::vector<std::string> unreadable;  // records that are damaged
};
// Changes nothing and takes no lock.
ColdList list_cold(const ColdOptions &options);

// Finishes or takes back what an interrupted run left; the other functions call it first. Returns what was done, in
// words.
Result<std::vector<std::string>> recover_cold(const ColdOptions &options);

}  // namespace suture
