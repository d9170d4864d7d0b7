#include "cli/host_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "cli/table.h"

namespace suture::cli {

using nlohmann::json;

json to_json(const PatchOutcome &process) {
  return {{"pid", process.pid}, {"comm", printable(process.comm)}, {"outcome", process.outcome}, {"functions", process.functions},
          {"stop_us", process.stop_us}, {"attempts", process.attempts}, {"superseded", process.superseded}, {"reason", printable(process.reason)}};
}

int exit_status_of(size_t good, const std::vector<const PatchOutcome *> &bad, size_t bad_files) {
  if (std::any_of(bad.begin(), bad.end(), [](const PatchOutcome *process) { return process->damaged; })) return kDamaged;
  if (bad.empty() && bad_files == 0) return kDone;
  if (good > 0) return kPartly;
  const bool all_refused = std::all_of(bad.begin(), bad.end(), [](const PatchOutcome *process) { return process->outcome == "refused"; });
  return all_refused ? kRefused : kFailed;
}

int report_processes(const std::vector<PatchOutcome> &processes, const std::string &patch_id, const Context &context,
                     const std::function<std::string(const PatchOutcome &)> &sentence) {
  std::vector<const PatchOutcome *> bad;
  for (const PatchOutcome &process : processes) {
    if (!process.ok) bad.push_back(&process);
    if (!process.ok) warn(sentence(process));
    else if (!context.json()) print(cat(patch_id, ": ", sentence(process), "\n"));
  }
  return exit_status_of(processes.size() - bad.size(), bad, 0);
}

int report_host(const HostReport &report, const Context &context, std::string_view done) {
  std::vector<const PatchOutcome *> bad;
  for (const PatchOutcome &process : report.processes)
    if (!process.ok) bad.push_back(&process);
  const size_t bad_files = report.bad() - bad.size();
  if (context.json()) {
    json out = {{"patch", report.patch_id}, {"files", json::array()}, {"results", json::array()}, {"passes", report.passes}};
    for (const FileOutcome &file : report.files) out["files"].push_back({{"path", file.path}, {"state", name_of(file.state)}, {"reason", file.reason}});
    for (const PatchOutcome &process : report.processes) out["results"].push_back(to_json(process));
    print_json(out);
  } else {
    for (const FileOutcome &file : report.files)
      if (file.state == FileOutcome::State::refused) warn(cat(file.path, ": ", file.reason));
    for (const PatchOutcome *process : bad) warn(cat("pid ", process->pid, " (", printable(process->comm), ") ", process->outcome, ": ", readable(process->reason)));
    const size_t files = static_cast<size_t>(std::count_if(report.files.begin(), report.files.end(), [](const FileOutcome &file) {
      return file.state == FileOutcome::State::patched || file.state == FileOutcome::State::already;
    }));
    print(cat(report.patch_id, ": ", files, files == 1 ? " file and " : " files and ", report.processes.size() - bad.size(),
              report.processes.size() - bad.size() == 1 ? " process " : " processes ", done,
              bad.empty() && bad_files == 0 ? std::string() : cat("; ", bad_files, " files and ", bad.size(), " processes not"), "\n"));
  }
  return exit_status_of(report.good(), bad, bad_files);
}

}  // namespace suture::cli
