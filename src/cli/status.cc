// `suture status`: what is patched: processes, files on disk, installed packages. Changes nothing.
#include <ctime>
#include <nlohmann/json.hpp>

#include "apply/apply.h"
#include "base/cat.h"
#include "base/file.h"
#include "base/hash.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "host/cold.h"
#include "store/store.h"

namespace suture::cli {

namespace {

using nlohmann::json;

struct ProcessState {
  pid_t pid = 0;
  std::string comm;
  std::vector<AppliedPatch> patches;
  std::string unreadable;  // why, when it could not be read
};

std::string time_text(uint64_t unix_s) {
  const std::time_t at = static_cast<std::time_t>(unix_s);
  std::tm parts{};
  char text[32] = "?";
  if (::gmtime_r(&at, &parts) != nullptr) (void)std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string comm_of(pid_t pid) {
  const auto text = read_text(cat("/proc/", pid, "/comm"), 64);
  return text ? text->substr(0, text->find('\n')) : "?";
}

json to_json(const AppliedPatch &patch) {
  json out = {{"id", patch.id}, {"sequence", patch.sequence}, {"state", name_of(patch.state)}, {"superseded_by", patch.superseded_by}, {"base", patch.base_path}, {"build_id", patch.base_id.text()},
              {"applied_at", time_text(patch.applied_at)}, {"memory", hex(patch.memory.value)}, {"mapped_bytes", patch.mapped_bytes}};
  out["functions"] = json::array();
  for (const AppliedFunction &function : patch.functions)
    out["functions"].push_back({{"name", function.name}, {"old_entry", hex(function.old_entry.value)}, {"new_entry", hex(function.new_entry.value)}});
  return out;
}

json to_json(const std::vector<ProcessState> &processes) {
  json out = json::array();
  for (const ProcessState &process : processes) {
    json entry = {{"pid", process.pid}, {"comm", printable(process.comm)}, {"patches", json::array()}};
    if (!process.unreadable.empty()) entry["error"] = process.unreadable;
    for (const AppliedPatch &patch : process.patches) entry["patches"].push_back(to_json(patch));
    out.push_back(std::move(entry));
  }
  return out;
}

std::string process_table(const std::vector<ProcessState> &processes) {
  Table table({"PID", "COMMAND", "PATCH", "STATE", "SINCE", "FUNCTIONS", "MEMORY", "IMAGE"});
  for (const ProcessState &process : processes)
    for (const AppliedPatch &patch : process.patches)
      table.add({cat(process.pid), printable(process.comm), printable(patch.id), std::string(name_of(patch.state)), time_text(patch.applied_at),
                 cat(patch.functions.size()), human_size(patch.mapped_bytes), printable(patch.base_path)});
  return table.empty() ? std::string() : table.text();
}

Result<int> show_processes(const std::vector<pid_t> &pids, const Context &context) {
  std::vector<ProcessState> processes;
  for (const pid_t pid : pids) processes.push_back({pid, comm_of(pid), TRY_WHILE(read_applied(pid), cat("looking at process ", pid)), {}});
  if (context.json()) {
    print_json({{"processes", to_json(processes)}});
    return kDone;
  }
  print(process_table(processes));
  for (const ProcessState &process : processes)
    if (process.patches.empty()) print(cat("pid ", process.pid, " (", printable(process.comm), "): no patch\n"));
  return kDone;
}

Result<int> show_host(const Context &context) {
  std::vector<ProcessState> processes;
  for (const pid_t pid : processes_patched()) {
    auto patches = read_applied(pid);
    if (patches) processes.push_back({pid, comm_of(pid), std::move(*patches), {}});
    else processes.push_back({pid, comm_of(pid), {}, patches.error().line()});
  }
  const ColdList files = list_cold(ColdOptions{context.state_dir});
  const Store store = TRY(Store::open(context.state_dir));
  const StoreListing stored = TRY(store.list());
  if (context.json()) {
    json out = {{"processes", to_json(processes)}, {"files", json::array()}, {"packages", json::array()}};
    for (const ColdStatus &file : files.files)
      out["files"].push_back({{"path", file.record.path}, {"patch", file.record.patch_id}, {"state", name_of(file.state)}, {"build_id", file.record.build_id}});
    for (const StoredPackage &package : stored.packages)
      out["packages"].push_back({{"id", package.package.id}, {"sequence", package.package.sequence}, {"cves", package.package.cves}});
    print_json(out);
    return kDone;
  }
  Table table({"FILE", "PATCH", "STATE"});
  for (const ColdStatus &file : files.files) table.add({printable(file.record.path), printable(file.record.patch_id), std::string(name_of(file.state))});
  const std::string text = process_table(processes) + (table.empty() ? std::string() : table.text());
  print(text.empty() ? "nothing is patched\n" : text);
  for (const ProcessState &process : processes)
    if (!process.unreadable.empty()) warn(cat("pid ", process.pid, " (", printable(process.comm), "): ", printable(process.unreadable)));
  for (const std::string &name : files.unreadable) warn(cat("the record ", printable(name), " of a patched file is damaged"));
  for (const SkippedEntry &entry : stored.skipped) warn(cat("installed package ", printable(entry.name), " is damaged: ", entry.why.line()));
  return kDone;
}

}  // namespace

void add_status(CLI::App &app, Context &context) {
  auto pids = std::make_shared<std::vector<pid_t>>();
  CLI::App *command = app.add_subcommand("status", "show what is patched");
  command->add_option("--pid", *pids, "only this process (may be several)")->type_name("N");
  add_state_dir_option(*command, context);
  add_json_option(*command, context);
  on_run(*command, context, [pids, &context] { return pids->empty() ? show_host(context) : show_processes(*pids, context); });
}

}  // namespace suture::cli
