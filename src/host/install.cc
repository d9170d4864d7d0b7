#include "host/install.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/cat.h"
#include "base/file.h"
#include "elf/hot_file.h"

namespace suture {

namespace {

namespace fs = std::filesystem;

// A fork bomb of unpatched processes must end in a report, not in an endless loop.
constexpr unsigned kMaxPasses = 64;

std::string comm_of(pid_t pid) {
  auto text = read_text(cat("/proc/", pid, "/comm"), 64);
  if (!text) return "?";
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return *text;
}

PatchOutcome from_report(const Result<ApplyReport> &result, pid_t pid) {
  PatchOutcome out;
  out.pid = pid;
  out.comm = comm_of(pid);
  if (!result) {
    out.outcome = result.error().verdict() == Verdict::failed ? "failed" : "refused";
    out.reason = result.error().line();
    out.damaged = result.error().state() == TargetState::damaged;
    return out;
  }
  out.ok = true;
  out.comm = result->comm;
  out.outcome = name_of(result->outcome);
  out.functions = result->functions;
  out.stop_us = result->stop_us;
  out.attempts = result->attempts;
  out.reason = result->reason;
  out.superseded = result->superseded;
  return out;
}

// What is to be done with each file; the requests that can be carried out are put into `doable`.
std::vector<FileOutcome> plan_files(const Package &package, const ColdOptions &options, std::vector<ColdRequest> &doable) {
  std::vector<FileOutcome> files;
  for (const ColdRequest &request : cold_requests(package)) {
    FileOutcome file{request.path.string(), FileOutcome::State::patched, {}};
    std::error_code error;
    if (!fs::exists(request.path, error)) {
      file.state = FileOutcome::State::absent;
    } else if (const auto checked = check_cold({&request, 1}, options); !checked) {
      file.state = FileOutcome::State::refused;
      file.reason = checked.error().line();
    } else if (checked->front().outcome == ColdResult::Outcome::already) {
      file.state = FileOutcome::State::already;
    } else {
      doable.push_back(request);
    }
    files.push_back(std::move(file));
  }
  return files;
}

std::set<pid_t> processes_of(const Package &package) {
  std::set<pid_t> pids;
  for (const PackageImage &image : package.images)
    for (const pid_t pid : processes_mapping(image.build_id)) pids.insert(pid);
  pids.erase(::getpid());
  return pids;
}

// Looks again after each round: a process may have started from the old file, or been forked, while others were patched.
template <typename Find, typename Act>
void until_none_left(const Find &find, const Act &act, HostReport &report) {
  std::set<pid_t> done;
  for (report.passes = 0; report.passes < kMaxPasses;) {
    ++report.passes;
    bool anything = false;
    for (const pid_t pid : find()) {
      if (!done.insert(pid).second) continue;
      anything = true;
      PatchOutcome outcome = act(pid);
      // Ended meanwhile, perhaps not waited for yet, or running another program: there is nothing left that could have been patched.
      const bool gone = !outcome.ok && !outcome.damaged && !find().contains(pid);
      if (!gone) report.processes.push_back(std::move(outcome));
    }
    if (!anything) return;
  }
}

}  // namespace

std::string_view name_of(FileOutcome::State state) {
  switch (state) {
    case FileOutcome::State::patched: return "patched";
    case FileOutcome::State::already: return "already";
    case FileOutcome::State::absent: return "not on this host";
    case FileOutcome::State::refused: return "refused";
  }
  return "?";
}

size_t HostReport::good() const {
  const auto file_good = [](const FileOutcome &file) { return file.state == FileOutcome::State::patched || file.state == FileOutcome::State::already; };
  return static_cast<size_t>(std::count_if(files.begin(), files.end(), file_good)) +
         static_cast<size_t>(std::count_if(processes.begin(), processes.end(), [](const PatchOutcome &p) { return p.ok; }));
}

size_t HostReport::bad() const {
  return static_cast<size_t>(std::count_if(files.begin(), files.end(), [](const FileOutcome &f) { return f.state == FileOutcome::State::refused; })) +
         static_cast<size_t>(std::count_if(processes.begin(), processes.end(), [](const PatchOutcome &p) { return !p.ok; }));
}

std::vector<ColdRequest> cold_requests(const Package &package) {
  std::vector<ColdRequest> requests;
  for (const PackageImage &image : package.images)
    requests.push_back({package.id, image.path, image.build_id, image.digest, image.cold, package.sequence, package.supersedes_ids});
  return requests;
}

Result<std::vector<HotImage>> read_hot_images(const Package &package) {
  std::vector<HotImage> images;
  for (const PackageImage &image : package.images) {
    HotImage hot = TRY_WHILE(read_hot_file(image.hot), cat("reading the hotpatch for ", image.path));
    if (hot.base_id != image.build_id || hot.base_digest != image.digest || hot.patch_id != package.id)
      return Error::corrupt(cat("the hotpatch for ", image.path, " is for another image or patch than the manifest says"));
    images.push_back(std::move(hot));
  }
  return images;
}

PatchOutcome apply_to_process(const std::vector<HotImage> &images, const Package &package, pid_t pid, const ApplyOptions &options) {
  std::vector<const HotImage *> pointers;
  pointers.reserve(images.size());
  for (const HotImage &image : images) pointers.push_back(&image);
  ApplyOptions with_requirements = options;
  with_requirements.requires_ids = package.requires_ids;
  return from_report(apply_hot(pointers, pid, with_requirements), pid);
}

PatchOutcome revert_in_process(const std::string &patch_id, pid_t pid, const ApplyOptions &options) {
  return from_report(revert_hot(patch_id, pid, options), pid);
}

Result<HostReport> install_package(const VerifiedBytes &verified, const Package &package, const InstallOptions &options) {
  Store store = TRY(Store::open(options.state_dir));
  TRY(store.check_sequence(package, options.downgrade));
  const std::vector<HotImage> images = TRY(read_hot_images(package));
  HostReport report;
  report.patch_id = package.id;
  std::vector<ColdRequest> doable;
  report.files = plan_files(package, ColdOptions{options.state_dir}, doable);
  const bool other_files_only = doable.empty() && report.good() == 0;
  if (other_files_only && processes_of(package).empty()) {
    std::string why;
    for (const FileOutcome &file : report.files) why += cat("\n  ", file.path, ": ", file.reason.empty() ? std::string(name_of(file.state)) : file.reason);
    return Error::refused(cat("nothing on this host is patched by ", package.id, ":", why));
  }
  if (!options.dry_run && !doable.empty()) {
    if (options.progress) options.progress(cat("replacing ", doable.size(), " files"));
    (void)TRY(apply_cold(doable, ColdOptions{options.state_dir}));
  }
  // From here on new processes start from patched files; those that run are left to do.
  ApplyOptions hot;
  hot.timeout_ms = options.timeout_ms;
  hot.dry_run = options.dry_run;
  until_none_left([&] { return processes_of(package); },
                  [&](pid_t pid) {
                    if (options.progress) options.progress(cat("patching pid ", pid));
                    return apply_to_process(images, package, pid, hot);
                  },
                  report);
  if (!options.dry_run) (void)TRY_WHILE(store.add(verified, package, options.downgrade), "recording the package (files and processes are patched)");
  return report;
}

Result<HostReport> uninstall_package(const std::string &patch_id, const InstallOptions &options) {
  Store store = TRY(Store::open(options.state_dir));
  HostReport report;
  report.patch_id = patch_id;
  const ColdOptions cold{options.state_dir};
  std::vector<std::string> ours;
  for (const ColdStatus &file : list_cold(cold).files)
    if (file.record.patch_id == patch_id) ours.push_back(file.record.path);
  const auto patched = [&] {
    std::set<pid_t> pids;
    for (const pid_t pid : processes_patched()) {
      const auto applied = read_applied(pid);
      if (!applied) continue;
      if (std::any_of(applied->begin(), applied->end(), [&](const AppliedPatch &patch) { return patch.id == patch_id && patch.state != AppliedPatch::State::reverted && patch.state != AppliedPatch::State::in_file; })) pids.insert(pid);
    }
    return pids;
  };
  const auto stored = TRY(store.find(patch_id));
  if (ours.empty() && !stored && patched().empty()) return Error::refused(cat("patch ", patch_id, " is not on this host: no file, no process and no stored package has it"));
  // Files first again: a process that starts meanwhile must not need reverting.
  if (!ours.empty() && !options.dry_run) (void)TRY(revert_cold(patch_id, cold));
  for (std::string &path : ours) report.files.push_back({std::move(path), FileOutcome::State::patched, {}});
  ApplyOptions hot;
  hot.timeout_ms = options.timeout_ms;
  hot.dry_run = options.dry_run;
  until_none_left(patched, [&](pid_t pid) { return revert_in_process(patch_id, pid, hot); }, report);
  if (!options.dry_run && stored && report.bad() == 0) (void)TRY(store.remove(patch_id));
  return report;
}

}  // namespace suture
