#include "host/cold.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <optional>

#include "base/cat.h"
#include "base/fault.h"
#include "base/file.h"
#include "elf/cold_file.h"
#include "elf/read_image.h"
#include "host/placed_file.h"

namespace suture {

namespace {

constexpr uint64_t kMaxImageBytes = uint64_t{4} << 30;

// A file that passed every check and may be replaced.
struct Candidate {
  const ColdRequest *request = nullptr;
  PlacedFile placed;
  Digest found{};  // of the file that is there
  bool already = false;
  std::string note = {};
};

std::string random_name() {
  uint8_t bytes[8] = {};
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return cat(::getpid());  // O_EXCL catches a collision
  return to_hex(bytes);
}

std::string beside_name() {
  return cat(".suture-", random_name());
}

// What the file is instead of the base, in words for the operator.
Error wrong_file(const PlacedFile &placed, Bytes content, const ColdRequest &request) {
  const auto image = read_elf_image(std::move(content), placed.path());
  if (!image) return Error::refused(cat(placed.path(), " is not an image the patch knows: ", image.error().what()));
  const std::string patches = joined(cold_patches_of(*image));
  std::string what = cat(placed.path(), " is not the file the patch is for: it has build-id ", image->id.text(),
                         ", the patch is for ", request.base_id.text());
  if (image->id == request.base_id) what += " (the same, but the content differs)";
  if (!patches.empty()) what += cat("; it carries ", patches);
  return Error::refused(std::move(what));
}

// Of all records of a path, those whose patches are in the file now: it was made from `content`, or from what a patch
// made of that, and so on down.
std::vector<ColdRecord> records_in(std::span<const ColdRecord> records, const std::string &path, Digest content) {
  std::vector<ColdRecord> chain;
  for (bool found = true; found && chain.size() <= records.size();) {
    found = false;
    for (const ColdRecord &record : records) {
      if (record.path != path || record.cold_digest != content || record.phase != ColdRecord::Phase::applied) continue;
      chain.push_back(record);
      content = record.base_digest;
      found = true;
      break;
    }
  }
  return chain;
}

// All of the patches that made the file what it is go when `patch` comes, each replaced by it or by a later one of
// them.
bool replaces_all(const Lineage &patch, const std::vector<ColdRecord> &chain) {
  std::vector<Lineage> newer{patch};
  return std::all_of(chain.begin(), chain.end(), [&](const ColdRecord &record) {
    const bool replaced =
        std::any_of(newer.begin(), newer.end(), [&](const Lineage &one) { return one.replaces(record.lineage()); });
    newer.push_back(record.lineage());
    return replaced;
  });
}

// A file that earlier patches made, as the records tell: the patch takes their place, or is contained in one of them.
bool is_replaceable(Candidate &candidate, std::span<const ColdRecord> records) {
  const ColdRequest &request = *candidate.request;
  const std::vector<ColdRecord> chain = records_in(records, candidate.placed.path(), candidate.found);
  if (chain.empty() || chain.back().base_digest != request.base_digest) return false;
  for (const ColdRecord &record : chain)
    if (record.lineage().replaces(request.lineage())) {
      candidate.already = true;
      candidate.note = cat("its fixes are in ", record.patch_id);
      return true;
    }
  candidate.note = cat("takes the place of ", chain.front().patch_id);
  return replaces_all(request.lineage(), chain);
}

Result<Candidate> examine(const ColdRequest &request, std::span<const ColdRecord> records) {
  Candidate candidate{&request, TRY(PlacedFile::open(request.path))};
  Bytes content = TRY(candidate.placed.read());
  candidate.found = sha256(content);
  candidate.already = candidate.found == sha256(request.cold);
  if (candidate.already) return candidate;
  if (candidate.found != request.base_digest && !is_replaceable(candidate, records))
    return wrong_file(candidate.placed, std::move(content), request);
  if (!candidate.already) TRY(candidate.placed.check_replaceable());
  return candidate;
}

Result<std::vector<Candidate>> examine_all(std::span<const ColdRequest> requests, const ColdJournal &journal) {
  const std::vector<ColdRecord> records = journal.list();
  std::vector<Candidate> candidates;
  for (const ColdRequest &request : requests)
    candidates.push_back(
        TRY_WHILE(examine(request, records), cat("checking ", request.path.string(), " for patch ", request.patch_id)));
  return candidates;
}

Status sync(int fd, std::string_view what) {
  if (::fsync(fd) != 0) return Error::from_errno(errno, cat("fsync of ", what));
  return {};
}

// Copies content (shared blocks where the file system can) and metadata of an open file to a new one.
Status copy_file(int from, const std::filesystem::path &to) {
  const FileMetadata metadata = TRY(read_metadata(from));
  const Fd fd(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return Error::from_errno(errno, cat("creating ", to.string()));
  if (::ioctl(fd.get(), FICLONE, from) != 0) {
    if (::lseek(from, 0, SEEK_SET) < 0) return Error::from_errno(errno, to.string());
    const Bytes content = TRY(read_all(from, kMaxImageBytes));
    TRY_WHILE(write_all(fd.get(), content), cat("copying to ", to.string()));
  }
  TRY(set_metadata(fd.get(), metadata));
  return sync(fd.get(), to.string());
}

// Keeps the original: another name for the very same file where that is possible, so that nothing of it can get lost.
Status keep_original(const PlacedFile &placed, const ColdRecord &record, const ColdJournal &journal) {
  const std::filesystem::path original = journal.original_of(record);
  std::error_code ignored;  // of an earlier patch of this path that is gone; creating it anew reports what is wrong
  std::filesystem::remove(original, ignored);
  if (::linkat(placed.folder(), placed.name().c_str(), AT_FDCWD, original.c_str(), 0) == 0) {
    struct stat linked {};
    if (::lstat(original.c_str(), &linked) == 0 && linked.st_ino == placed.info().st_ino &&
        linked.st_dev == placed.info().st_dev) {
      const Fd folder(::open(original.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      return sync(folder.get(), original.parent_path().string());
    }
    return Error::refused(cat(placed.path(), " was changed by someone else just now"));
  }
  TRY(copy_file(placed.file(), original));
  if (sha256(TRY(read_file(original, kMaxImageBytes))) != record.base_digest)
    return Error::failed(cat("the copy of ", placed.path(), " differs from it"));
  return {};
}

ColdRecord record_for(const Candidate &candidate) {
  ColdRecord record;
  record.patch_id = candidate.request->patch_id;
  record.path = candidate.placed.path();
  record.build_id = candidate.request->base_id.text();
  record.sequence = candidate.request->sequence;
  record.supersedes = candidate.request->supersedes;
  record.base_digest = candidate.found;
  record.cold_digest = sha256(candidate.request->cold);
  record.beside = beside_name();
  record.since = ::time(nullptr);
  return record;
}

// From the journal entry to the rename; an error leaves only what `take_back` removes.
Status replace(const Candidate &candidate, const ColdRecord &record, const ColdJournal &journal) {
  const PlacedFile &placed = candidate.placed;
  TRY_WHILE(keep_original(placed, record, journal), cat("keeping the original of ", record.path));
  fault_point("cold.original_kept");
  const FileMetadata metadata = TRY(read_metadata(placed.file()));
  TRY(placed.write_beside(record.beside, candidate.request->cold, metadata));
  fault_point("cold.written_beside");
  TRY(placed.check_unchanged());
  TRY(placed.replace_by(record.beside));
  fault_point("cold.renamed");
  return {};
}

Status take_back(const PlacedFile &placed, const ColdRecord &record, const ColdJournal &journal) {
  TRY(remove_if_there(placed.folder(), record.beside));
  return journal.remove(record);
}

Result<ColdRecord> apply_one(const Candidate &candidate, const ColdJournal &journal) {
  ColdRecord record = record_for(candidate);
  const PlacedFile &placed = candidate.placed;
  Status done = journal.write(record);
  fault_point("cold.journal_written");
  if (done) done = replace(candidate, record, journal);
  if (!done) {
    // Whatever goes wrong here as well, the journal stays and the next run sees to it; the first error is the one to
    // tell.
    (void)take_back(placed, record, journal);
    return std::move(done.error());
  }
  // From here on the new file is in place. Only its name may not have reached the disk yet.
  TRY(sync(placed.folder(), placed.path()));
  fault_point("cold.folder_synced");
  record.phase = ColdRecord::Phase::applied;
  TRY(journal.write(record));
  return record;
}

// The place of a recorded file, which must be where and what it was: a symbolic link on the way now would lead
// elsewhere.
Result<PlacedFile> open_recorded(const ColdRecord &record) {
  PlacedFile placed = TRY(PlacedFile::open(record.path));
  if (placed.path() != record.path) return Error::refused(cat(record.path, " is reached through a symbolic link now"));
  return placed;
}

Error not_ours(const ColdRecord &record, const ColdJournal &journal, const Digest &found) {
  for (const ColdRecord &other : journal.list())
    if (other.path == record.path && other.cold_digest == found)
      return Error::refused(cat(record.path, " has been patched again by ", other.patch_id))
          .with_next(cat("revert ", other.patch_id, " first"));
  return Error::refused(cat(record.path, " is not the file that patch ", record.patch_id,
                            " made; it was replaced since, perhaps by an upgrade, and is left alone"));
}

Status put_original_beside(const PlacedFile &placed, const ColdRecord &record, const ColdJournal &journal) {
  const std::filesystem::path original = journal.original_of(record);
  const Fd fd(::open(original.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return Error::from_errno(errno, cat("opening the original kept at ", original.string()));
  const Bytes content = TRY(read_all(fd.get(), kMaxImageBytes));
  if (sha256(content) != record.base_digest)
    return Error::corrupt(cat("the original kept at ", original.string(), " is damaged"))
        .with_next("reinstall the package that the file comes from");
  if (::linkat(AT_FDCWD, original.c_str(), placed.folder(), record.beside.c_str(), 0) == 0) return {};
  return placed.write_beside(record.beside, content, TRY(read_metadata(fd.get())));
}

Status revert_one(ColdRecord record, const ColdJournal &journal) {
  const PlacedFile placed = TRY(open_recorded(record));
  const Digest found = sha256(TRY(placed.read()));
  if (found != record.cold_digest) return not_ours(record, journal, found);
  TRY(placed.check_replaceable());
  record.phase = ColdRecord::Phase::reverting;
  record.beside = beside_name();
  TRY(journal.write(record));
  fault_point("cold.revert_journal_written");
  Status done = put_original_beside(placed, record, journal);
  if (done) {
    fault_point("cold.original_beside");
    done = placed.check_unchanged();
  }
  if (done) done = placed.replace_by(record.beside);
  if (!done) {
    (void)remove_if_there(placed.folder(), record.beside);  // the first error is the one to tell
    record.phase = ColdRecord::Phase::applied;
    (void)journal.write(record);
    return done;
  }
  fault_point("cold.original_renamed");
  TRY(sync(placed.folder(), placed.path()));
  fault_point("cold.revert_folder_synced");
  return journal.remove(record);
}

// Decides by the file in place, not by how far the journal says we came.
Result<std::optional<std::string>> recover_one(ColdRecord record, const ColdJournal &journal) {
  if (record.phase == ColdRecord::Phase::applied) return std::optional<std::string>();
  auto placed = open_recorded(record);
  if (!placed) {
    if (std::filesystem::exists(record.path)) return std::move(placed.error());
    TRY(journal.remove(record));
    return std::optional(cat(record.path, " is gone; its record was removed"));
  }
  const Digest found = sha256(TRY(placed->read()));
  TRY(remove_if_there(placed->folder(), record.beside));
  TRY(sync(placed->folder(), record.path));
  if (found == record.cold_digest) {
    record.phase = ColdRecord::Phase::applied;
    TRY(journal.write(record));
    return std::optional(cat(record.path, ": patch ", record.patch_id, " is in place"));
  }
  TRY(journal.remove(record));
  return std::optional(cat(record.path, ": patch ", record.patch_id,
                           found == record.base_digest ? " is not in place" : " was overtaken by another change"));
}

Result<std::vector<std::string>> recover_locked(const ColdJournal &journal) {
  std::vector<std::string> done;
  for (const ColdRecord &record : journal.list())
    if (auto words =
            TRY_WHILE(recover_one(record, journal), cat("putting ", record.path, " in order after an interrupted run")))
      done.push_back(std::move(*words));
  return done;
}

// Records of a path from before an upgrade replaced the file serve nobody any more.
Status drop_stale_records(const Candidate &candidate, const ColdJournal &journal) {
  const std::vector<ColdRecord> all = journal.list();
  const auto live = records_in(all, candidate.placed.path(), candidate.found);
  for (const ColdRecord &record : all) {
    const auto same = [&](const ColdRecord &other) { return other.cold_digest == record.cold_digest; };
    if (record.path == candidate.placed.path() && std::none_of(live.begin(), live.end(), same))
      TRY(journal.remove(record));
  }
  return {};
}

// A later package of the same id took its place: that is the one to take back, and it brings this one back.
bool lies_under_its_own(const ColdRecord &record, std::span<const ColdRecord> records) {
  return std::any_of(records.begin(), records.end(), [&](const ColdRecord &other) {
    return other.patch_id == record.patch_id && other.path == record.path && other.base_digest == record.cold_digest;
  });
}

// A later file failed, so those replaced before it get their originals back.
Error take_back_all(std::span<const ColdRecord> applied, const ColdJournal &journal, Error error) {
  for (const ColdRecord &record : applied) {
    const Status reverted = revert_one(record, journal);
    if (!reverted)
      return std::move(error)
          .during(cat("putting ", record.path, " back, which failed too: ", reverted.error().line()))
          .with_state(TargetState::damaged);
  }
  return applied.empty() ? std::move(error) : std::move(error).with_state(TargetState::restored);
}

Result<ColdRecord> apply_candidate(const Candidate &candidate, const ColdJournal &journal) {
  TRY(drop_stale_records(candidate, journal));
  return TRY_WHILE(apply_one(candidate, journal),
                   cat("patching ", candidate.placed.path(), " on disk with ", candidate.request->patch_id));
}

ColdResult result_of(const Candidate &candidate) {
  return {candidate.placed.path(), candidate.already ? ColdResult::Outcome::already : ColdResult::Outcome::applied,
          candidate.note};
}

}  // namespace

Result<std::vector<ColdResult>> check_cold(std::span<const ColdRequest> requests, const ColdOptions &options) {
  std::vector<ColdResult> results;
  for (const Candidate &candidate : TRY(examine_all(requests, ColdJournal(options.state_folder))))
    results.push_back(result_of(candidate));
  return results;
}

Result<std::vector<ColdResult>> apply_cold(std::span<const ColdRequest> requests, const ColdOptions &options) {
  const ColdJournal journal(options.state_folder);
  const Fd lock = TRY(journal.lock());
  TRY(recover_locked(journal));
  const std::vector<Candidate> candidates = TRY(examine_all(requests, journal));
  // From here on every file is known to be the base, what superseded patches made of it, or patched already.
  std::vector<ColdResult> results;
  std::vector<ColdRecord> applied;
  for (const Candidate &candidate : candidates) {
    results.push_back(result_of(candidate));
    if (candidate.already) continue;
    auto record = apply_candidate(candidate, journal);
    if (!record) return take_back_all(applied, journal, std::move(record.error()));
    applied.push_back(std::move(*record));
  }
  return results;
}

Result<std::vector<std::string>> revert_cold(const std::string &patch_id, const ColdOptions &options) {
  const ColdJournal journal(options.state_folder);
  const Fd lock = TRY(journal.lock());
  TRY(recover_locked(journal));
  std::vector<std::string> paths;
  std::optional<Error> first_error;
  const std::vector<ColdRecord> records = journal.list();
  for (const ColdRecord &record : records) {
    if (record.patch_id != patch_id || lies_under_its_own(record, records)) continue;
    // One file that cannot be put back is no reason to leave the others patched.
    Status done = revert_one(record, journal);
    if (done)
      paths.push_back(record.path);
    else if (!first_error)
      first_error = std::move(done.error()).during(cat("taking patch ", patch_id, " back from ", record.path));
  }
  if (first_error) return std::move(*first_error);
  if (paths.empty()) return Error::refused(cat("no file on disk carries patch ", patch_id));
  return paths;
}

std::string_view name_of(ColdStatus::State state) {
  switch (state) {
    case ColdStatus::State::applied:
      return "applied";
    case ColdStatus::State::superseded:
      return "superseded";
    case ColdStatus::State::interrupted:
      return "interrupted";
    case ColdStatus::State::replaced:
      return "replaced";
    case ColdStatus::State::missing:
      return "missing";
  }
  return "?";
}

namespace {

// `chain`: what made the file that is there, the latest first.
ColdStatus::State state_within(const std::vector<ColdRecord> &chain, const ColdRecord &record) {
  for (size_t i = 0; i < chain.size(); ++i) {
    if (chain[i].cold_digest != record.cold_digest) continue;
    return i > 0 && chain[i - 1].lineage().replaces(record.lineage()) ? ColdStatus::State::superseded
                                                                      : ColdStatus::State::applied;
  }
  return ColdStatus::State::replaced;
}

}  // namespace

ColdList list_cold(const ColdOptions &options) {
  const ColdJournal journal(options.state_folder);
  ColdList list;
  const std::vector<ColdRecord> records = journal.list(&list.unreadable);
  for (const ColdRecord &record : records) {
    ColdStatus status{record, ColdStatus::State::replaced};
    const auto content = read_file(record.path, kMaxImageBytes);
    if (record.phase != ColdRecord::Phase::applied) {
      status.state = ColdStatus::State::interrupted;
    } else if (!content) {
      status.state = ColdStatus::State::missing;
    } else {
      status.state = state_within(records_in(records, record.path, sha256(*content)), record);
    }
    list.files.push_back(std::move(status));
  }
  return list;
}

Result<std::vector<std::string>> recover_cold(const ColdOptions &options) {
  const ColdJournal journal(options.state_folder);
  const Fd lock = TRY(journal.lock());
  return recover_locked(journal);
}

}  // namespace suture
