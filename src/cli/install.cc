// `suture install` and `suture uninstall`: a package on this whole host.
#include "base/cat.h"
#include "cli/commands.h"
#include "cli/host_report.h"
#include "cli/packages.h"
#include "cli/progress.h"
#include "host/install.h"

namespace suture::cli {

namespace {

struct Options {
  std::string package;  // file for install, id for uninstall
  double timeout_s = 10;
  bool allow_unsigned = false;
  bool allow_downgrade = false;
  bool dry_run = false;
};

InstallOptions to_install_options(const Options &options, const Context &context, Progress &progress) {
  InstallOptions out;
  out.state_dir = context.state_dir;
  out.timeout_ms = static_cast<uint64_t>(options.timeout_s * 1000);
  out.downgrade = options.allow_downgrade ? Downgrade::allow : Downgrade::refuse;
  out.dry_run = options.dry_run;
  out.progress = [&progress](const std::string &text) { progress.show(text); };
  return out;
}

Result<int> run_install(const Options &options, const Context &context) {
  const TrustStore trust = TRY(load_trust(context));
  const VerifiedBytes verified = TRY(open_package(options.package, trust, options.allow_unsigned ? AllowUnsigned::yes : AllowUnsigned::no));
  const Package package = TRY(decode_package(verified));
  Progress progress;
  auto report = install_package(verified, package, to_install_options(options, context, progress));
  progress.clear();
  if (!report) return std::move(report).error();
  return report_host(*report, context, options.dry_run ? "would be patched" : "patched");
}

Result<int> run_uninstall(const Options &options, const Context &context) {
  Progress progress;
  auto report = uninstall_package(options.package, to_install_options(options, context, progress));
  progress.clear();
  if (!report) return std::move(report).error();
  return report_host(*report, context, options.dry_run ? "would be reverted" : "reverted");
}

}  // namespace

void add_install(CLI::App &app, Context &context) {
  auto options = std::make_shared<Options>();
  CLI::App *command = app.add_subcommand("install", "patch the files and all processes of this host");
  command->add_option("package", options->package, "package file")->type_name("PKG")->required();
  command->add_option("--timeout", options->timeout_s, "seconds to wait for each process to come to a safe point (10)")->check(CLI::Range(0.001, 86400.0));
  command->add_flag("--allow-unsigned", options->allow_unsigned, "accept a package that no trusted key signed");
  command->add_flag("--downgrade", options->allow_downgrade, "accept a lower sequence than this host has seen");
  command->add_flag("--dry-run", options->dry_run, "check everything, change nothing");
  add_trust_dir_option(*command, context);
  add_state_dir_option(*command, context);
  add_json_option(*command, context);
  on_run(*command, context, [options, &context] { return run_install(*options, context); });
}

void add_uninstall(CLI::App &app, Context &context) {
  auto options = std::make_shared<Options>();
  CLI::App *command = app.add_subcommand("uninstall", "take a package back from the files and all processes of this host");
  command->add_option("id", options->package, "id of the patch")->type_name("ID")->required();
  command->add_option("--timeout", options->timeout_s, "seconds to wait for each process to come to a safe point (10)")->check(CLI::Range(0.001, 86400.0));
  command->add_flag("--dry-run", options->dry_run, "check everything, change nothing");
  add_state_dir_option(*command, context);
  add_json_option(*command, context);
  on_run(*command, context, [options, &context] { return run_uninstall(*options, context); });
}

}  // namespace suture::cli
