// `suture apply`: a package to processes, or to the files on disk.
#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "cli/commands.h"
#include "cli/host_report.h"
#include "cli/packages.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/targets.h"
#include "host/install.h"

namespace suture::cli {

namespace {

struct Options {
  Targets targets;
  bool allow_unsigned = false;
  bool dry_run = false;
};

Result<int> apply_to_disk(const Options &options, const Package &package, const Context &context) {
  const std::vector<ColdRequest> requests = cold_requests(package);
  const ColdOptions cold{context.state_dir};
  const std::vector<ColdResult> done = TRY(options.dry_run ? check_cold(requests, cold) : apply_cold(requests, cold));
  nlohmann::json out = {{"patch", package.id}, {"results", nlohmann::json::array()}};
  std::string text;
  for (const ColdResult &file : done) {
    const bool already = file.outcome == ColdResult::Outcome::already;
    const std::string outcome = already ? "already" : options.dry_run ? "would-apply" : "applied";
    out["results"].push_back({{"path", file.path}, {"outcome", outcome}, {"reason", file.note}});
    text += cat(package.id, ": ", file.path, already ? " already patched" : options.dry_run ? " would be patched" : " patched",
                file.note.empty() ? "" : cat(" (", file.note, ")"), "\n");
  }
  if (context.json()) print_json(out);
  else print(text);
  return kDone;
}

std::string sentence(const PatchOutcome &process) {
  std::string text = cat("pid ", process.pid, " (", printable(process.comm), ") ", process.outcome);
  if (process.outcome == "applied")
    text += cat(": ", process.functions.size(), process.functions.size() == 1 ? " function" : " functions", ", stopped for ", process.stop_us, " us");
  for (const std::string &id : process.superseded) text += cat(", in place of ", printable(id));
  if (!process.reason.empty()) text += cat(process.outcome == "applied" ? "; " : ": ", readable(process.reason));
  return text;
}

Result<int> apply_to_processes(const Options &options, const Package &package, const Context &context) {
  const std::vector<HotImage> images = TRY(read_hot_images(package));
  ApplyOptions hot;
  hot.timeout_ms = options.targets.timeout_ms();
  hot.dry_run = options.dry_run;
  Progress progress;
  nlohmann::json out = {{"patch", package.id}, {"results", nlohmann::json::array()}};
  std::vector<PatchOutcome> outcomes;
  for (const pid_t pid : options.targets.pids) {
    progress.show(cat("patching pid ", pid));
    outcomes.push_back(apply_to_process(images, package, pid, hot));
    out["results"].push_back(to_json(outcomes.back()));
  }
  progress.clear();
  if (context.json()) print_json(out);
  return report_processes(outcomes, package.id, context, sentence);
}

Result<int> run(Options &options, const Context &context) {
  TRY(settle_targets(options.targets, "PKG"));
  const TrustStore trust = TRY(load_trust(context));
  const VerifiedBytes verified = TRY(open_package(options.targets.subject, trust, options.allow_unsigned ? AllowUnsigned::yes : AllowUnsigned::no));
  const Package package = TRY(decode_package(verified, options.targets.disk ? Blobs::cold : Blobs::hot));
  warn_of_unknown_fields(package);
  return options.targets.disk ? apply_to_disk(options, package, context) : apply_to_processes(options, package, context);
}

}  // namespace

void add_apply(CLI::App &app, Context &context) {
  auto options = std::make_shared<Options>();
  CLI::App *command = app.add_subcommand("apply", "apply a package to running processes, or to the file on disk");
  add_target_options(*command, options->targets, "PKG", "package file");
  command->add_flag("--allow-unsigned", options->allow_unsigned, "accept a package that no trusted key signed");
  command->add_flag("--dry-run", options->dry_run, "check everything, change nothing");
  add_trust_dir_option(*command, context);
  add_state_dir_option(*command, context);
  add_json_option(*command, context);
  on_run(*command, context, [options, &context] { return run(*options, context); });
}

}  // namespace suture::cli
