// `suture revert`: takes a patch back from processes, or from the files on disk.
#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "cli/commands.h"
#include "cli/host_report.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/targets.h"
#include "host/install.h"

namespace suture::cli {

namespace {

Result<int> revert_on_disk(const std::string &id, const Context &context) {
  const std::vector<std::string> paths = TRY(revert_cold(id, ColdOptions{context.state_dir}));
  nlohmann::json out = {{"patch", id}, {"results", nlohmann::json::array()}};
  std::string text;
  for (const std::string &path : paths) {
    out["results"].push_back({{"path", path}, {"outcome", "reverted"}, {"reason", ""}});
    text += cat(id, ": ", path, " restored\n");
  }
  if (context.json()) print_json(out);
  else print(text);
  return kDone;
}

std::string sentence(const PatchOutcome &process) {
  std::string text = cat("pid ", process.pid, " (", printable(process.comm), ") ", process.outcome);
  if (process.outcome == "reverted") text += cat(", stopped for ", process.stop_us, " us");
  if (!process.reason.empty()) text += cat(process.outcome == "reverted" ? "; " : ": ", readable(process.reason));
  return text;
}

Result<int> run(Targets &targets, const Context &context) {
  TRY(settle_targets(targets, "ID"));
  if (targets.disk) return revert_on_disk(targets.subject, context);
  ApplyOptions options;
  options.timeout_ms = targets.timeout_ms();
  Progress progress;
  nlohmann::json out = {{"patch", targets.subject}, {"results", nlohmann::json::array()}};
  std::vector<PatchOutcome> outcomes;
  for (const pid_t pid : targets.pids) {
    progress.show(cat("reverting in pid ", pid));
    outcomes.push_back(revert_in_process(targets.subject, pid, options));
    out["results"].push_back(to_json(outcomes.back()));
  }
  progress.clear();
  if (context.json()) print_json(out);
  return report_processes(outcomes, targets.subject, context, sentence);
}

}  // namespace

void add_revert(CLI::App &app, Context &context) {
  auto targets = std::make_shared<Targets>();
  CLI::App *command = app.add_subcommand("revert", "take a patch back from running processes, or from the file on disk");
  add_target_options(*command, *targets, "ID", "id of the patch");
  add_state_dir_option(*command, context);
  add_json_option(*command, context);
  on_run(*command, context, [targets, &context] { return run(*targets, context); });
}

}  // namespace suture::cli
