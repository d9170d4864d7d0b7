// A package on a whole host: the files on disk first, so that what starts from now on is safe, then every process that has
// one of the images mapped, then again until a look finds nobody left; last the store, which remembers it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "apply/apply.h"
#include "host/cold.h"
#include "package/format.h"
#include "store/store.h"

namespace suture {

struct InstallOptions {
  std::filesystem::path state_dir;
  uint64_t timeout_ms = 10000;  // for each process
  Downgrade downgrade = Downgrade::refuse;
  bool dry_run = false;
  std::function<void(const std::string &)> progress;
};

struct FileOutcome {
  enum class State { patched, already, absent, refused };
  std::string path;
  State state = State::patched;
  std::string reason;  // when refused
};
std::string_view name_of(FileOutcome::State state);

struct PatchOutcome {
  pid_t pid = 0;
  std::string comm;
  bool ok = false;      // is as asked now
  std::string outcome;  // applied, already, would apply, reverted, refused, failed
  std::vector<std::string> functions;
  uint64_t stop_us = 0;
  unsigned attempts = 0;
  std::string reason;
  std::vector<std::string> superseded;
  bool damaged = false;  // must never be seen
};

struct HostReport {
  std::string patch_id;
  std::vector<FileOutcome> files;
  std::vector<PatchOutcome> processes;
  unsigned passes = 0;  // looks at the process table
  size_t good() const;  // files and processes that are as asked
  size_t bad() const;   // that are not
};

// What apply_cold() is to do for each image of the package; points into it.
std::vector<ColdRequest> cold_requests(const Package &package);

// One process; never fails, tells.
PatchOutcome apply_to_process(const std::vector<HotImage> &images, const Package &package, pid_t pid, const ApplyOptions &options);
PatchOutcome revert_in_process(const std::string &patch_id, pid_t pid, const ApplyOptions &options);

// Refused when nothing on this host is for the package; what failed for single files and processes is in the report.
Result<HostReport> install_package(const VerifiedBytes &verified, const Package &package, const InstallOptions &options);
Result<HostReport> uninstall_package(const std::string &patch_id, const InstallOptions &options);

// The hot images of a package, checked against its manifest.
Result<std::vector<HotImage>> read_hot_images(const Package &package);

}  // namespace suture
