#include "host/cold_journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/cat.h"
#include "base/fault.h"
#include "base/file.h"

namespace suture {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr uint64_t kMaxRecordBytes = 1 << 20;
constexpr const char *kRecordFile = "record.json";
constexpr const char *kOriginalFile = "original";
constexpr std::pair<ColdRecord::Phase, std::string_view> kPhases[] = {{ColdRecord::Phase::applying, "applying"},
                                                                      {ColdRecord::Phase::applied, "applied"},
                                                                      {ColdRecord::Phase::reverting, "reverting"}};

std::optional<Digest> to_digest(const std::string &text) {
  const auto bytes = from_hex(text);
  Digest digest{};
  if (!bytes || bytes->size() != digest.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), digest.begin());
  return digest;
}

std::string text_of(const json &object, const char *key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Records from before there was such a thing have neither field.
bool take_lineage(const json &object, ColdRecord &record) {
  if (object.contains("sequence")) {
    if (!object["sequence"].is_number_unsigned()) return false;
    record.sequence = object["sequence"].get<uint64_t>();
  }
  if (!object.contains("supersedes")) return true;
  if (!object["supersedes"].is_array() || object["supersedes"].size() > kMaxSuperseded) return false;
  for (const json &id : object["supersedes"]) {
    if (!id.is_string()) return false;
    record.supersedes.push_back(id.get<std::string>());
  }
  return true;
}

std::optional<ColdRecord> parse(const std::string &text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object() || text_of(object, "format") != "suture-cold-1") return std::nullopt;
  ColdRecord record;
  const std::string phase = text_of(object, "phase");
  const auto known =
      std::find_if(std::begin(kPhases), std::end(kPhases), [&](const auto &p) { return p.second == phase; });
  const auto base = to_digest(text_of(object, "base_digest"));
  const auto cold = to_digest(text_of(object, "cold_digest"));
  record.patch_id = text_of(object, "patch");
  record.path = text_of(object, "path");
  record.build_id = text_of(object, "build_id");
  record.beside = text_of(object, "beside");
  if (object.contains("since") && object["since"].is_number_integer()) record.since = object["since"].get<int64_t>();
  if (known == std::end(kPhases) || !base || !cold || record.path.empty() || record.path[0] != '/' ||
      record.beside.find('/') != std::string::npos)
    return std::nullopt;
  if (!take_lineage(object, record)) return std::nullopt;
  record.phase = known->first;
  record.base_digest = *base;
  record.cold_digest = *cold;
  return record;
}

Status make_private_folder(const fs::path &path) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) return Error::failed(cat("creating ", path.parent_path().string(), ": ", error.message()));
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return Error::from_errno(errno, cat("creating ", path.string()));
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return Error::from_errno(errno, path.string());
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid())
    return Error::refused(cat(path.string(), " is not a folder of ours"));
  if ((info.st_mode & 077) != 0 && ::chmod(path.c_str(), 0700) != 0) return Error::from_errno(errno, path.string());
  return {};
}

Status sync_folder(const fs::path &path) {
  const Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return Error::from_errno(errno, cat("fsync of ", path.string()));
  return {};
}

}  // namespace

std::string_view name_of(ColdRecord::Phase phase) {
  for (const auto &[value, name] : kPhases)
    if (value == phase) return name;
  return "?";
}

fs::path ColdJournal::default_state_folder() {
  const char *folder = std::getenv("SUTURE_STATE_DIR");
  return folder != nullptr && *folder != '\0' ? folder : "/var/lib/suture";
}

ColdJournal::ColdJournal(fs::path state_folder)
    : root_((state_folder.empty() ? default_state_folder() : std::move(state_folder)) / "cold") {}

Result<Fd> ColdJournal::lock() const {
  TRY(make_private_folder(root_));
  Fd fd(::open((root_ / "lock").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return Error::from_errno(errno, cat("opening ", (root_ / "lock").string()));
  while (::flock(fd.get(), LOCK_EX) != 0)
    if (errno != EINTR) return Error::from_errno(errno, cat("locking ", root_.string()));
  return fd;
}

fs::path ColdJournal::folder_of(const ColdRecord &record) const {
  constexpr size_t kNameDigits = 16;
  return root_ / (record.build_id.empty() ? "none" : record.build_id) / to_hex(record.base_digest) /
         to_hex(sha256(as_bytes(record.path))).substr(0, kNameDigits);
}

fs::path ColdJournal::original_of(const ColdRecord &record) const {
  return folder_of(record) / kOriginalFile;
}

std::vector<ColdRecord> ColdJournal::list(std::vector<std::string> *unreadable) const {
  std::vector<ColdRecord> records;
  std::error_code error;
  constexpr int kDepth = 3;  // BUILD-ID/DIGEST/PATH-HASH/record.json
  for (auto at = fs::recursive_directory_iterator(root_, error); !error && at != fs::recursive_directory_iterator();
       at.increment(error)) {
    if (at.depth() != kDepth || at->path().filename() != kRecordFile) continue;
    const auto text = read_text(at->path(), kMaxRecordBytes);
    auto record = text ? parse(*text) : std::nullopt;
    if (record)
      records.push_back(std::move(*record));
    else if (unreadable != nullptr)
      unreadable->push_back(at->path().string());
  }
  std::sort(records.begin(), records.end(), [](const ColdRecord &a, const ColdRecord &b) {
    return std::tie(a.path, a.since) < std::tie(b.path, b.since);
  });
  return records;
}

Status ColdJournal::write(const ColdRecord &record) const {
  const json object = {{"format", "suture-cold-1"},
                       {"phase", name_of(record.phase)},
                       {"patch", record.patch_id},
                       {"sequence", record.sequence},
                       {"supersedes", record.supersedes},
                       {"path", record.path},
                       {"build_id", record.build_id},
                       {"base_digest", to_hex(record.base_digest)},
                       {"cold_digest", to_hex(record.cold_digest)},
                       {"beside", record.beside},
                       {"since", record.since}};
  const fs::path folder = folder_of(record);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Error::failed(cat("creating ", folder.string(), ": ", error.message()));
  // A path need not be UTF-8, but JSON must be.
  const std::string text = object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  if (!parse(text) || parse(text)->path != record.path)
    return Error::refused(cat("the path ", record.path, " is not UTF-8 text, which the record needs"));
  TRY(write_file_atomic(folder / kRecordFile, as_bytes(text), 0600));
  for (fs::path at = folder; at != root_; at = at.parent_path()) TRY(sync_folder(at.parent_path()));
  return {};
}

Status ColdJournal::remove(const ColdRecord &record) const {
  const fs::path folder = folder_of(record);
  std::error_code error;
  // The record last: as long as it is there, the next run tries again.
  fs::remove(folder / kOriginalFile, error);
  if (!error) fault_point("cold.original_removed");
  if (!error) fs::remove(folder / kRecordFile, error);
  if (!error) fs::remove_all(folder, error);  // left-overs of interrupted writes
  if (error) return Error::failed(cat("removing ", folder.string(), ": ", error.message()));
  TRY(sync_folder(folder.parent_path()));
  for (fs::path at = folder.parent_path(); at != root_; at = at.parent_path())
    if (::rmdir(at.c_str()) != 0) break;  // still used by another record
  return {};
}

}  // namespace suture
