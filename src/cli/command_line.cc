// From argv to an exit status; the command line contract's rules that hold for all commands are kept here.
#include <cerrno>
#include <cstdio>
#include <new>

#include "base/cat.h"
#include "cli/commands.h"

#ifndef SUTURE_VERSION
#error "SUTURE_VERSION comes from CMake"
#endif

namespace suture::cli {

namespace {

using AddCommand = void (*)(CLI::App &, Context &);

// In the order in which `suture --help` lists them.
constexpr AddCommand kCommands[] = {
    add_build,
    add_apply,
    add_revert,
    add_status,
    add_install,
    add_uninstall,
    add_inspect,
    add_report,
    add_verify,
    add_sign,
    add_keygen,
};

}  // namespace

void add_commands(CLI::App &app, Context &context) {
  app.set_version_flag("--version", std::string("suture ") + SUTURE_VERSION, "print the version");
  app.require_subcommand(1);
  for (const AddCommand add : kCommands) add(app, context);
}

namespace {

// One line that says what is wrong and where the right form is found.
int print_usage_error(const CLI::App &app, const CLI::ParseError &error, OutputFormat format) {
  std::string command;
  for (const CLI::App *chosen : app.get_subcommands()) command = " " + chosen->get_name();
  std::string what = error.what();
  for (char &c : what)
    if (c == '\n') c = ' ';
  while (!what.empty() && (what.back() == ' ' || what.back() == '.')) what.pop_back();
  print_error(Error::usage(cat(what, " (see suture", command, " --help)")), format);
  return kUsage;
}

bool asks_for_json(int argc, const char *const *argv) {
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]) == "--json") return true;
  return false;
}

int run_work(const Context &context) {
  Result<int> status = context.work();
  if (status) return *status;
  print_error(status.error(), context.format);
  return exit_status(status.error());
}

// A report that could not be written is a failure even when the work was done: a script would act on half of it.
int finish_output(int status) {
  const bool failed = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
  if (!failed) return status;
  warn("standard output could not be written: the report is not whole; whatever was done stays done (suture status shows it)");
  return status == kDone ? static_cast<int>(kFailed) : status;
}

}  // namespace

int run_command_line(int argc, const char *const *argv) {
  Context context = default_context();
  CLI::App app("Patches running programs and the files they came from, without a restart.", "suture");
  add_commands(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &wanted) {  // --help and --version
    return finish_output(app.exit(wanted));
  } catch (const CLI::ParseError &error) {
    return finish_output(
        print_usage_error(app, error, asks_for_json(argc, argv) ? OutputFormat::json : context.format));
  }
  try {
    return finish_output(run_work(context));
  } catch (const std::bad_alloc &) {
    print_error(Error::failed("out of memory"), context.format);
    return finish_output(kFailed);
  }
}

}  // namespace suture::cli
