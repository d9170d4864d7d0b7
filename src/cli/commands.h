// The table of commands. To add one: write src/cli/<command>.cc with `void add_<command>(CLI::App &app, Context
// &context)` that adds the subcommand with its options and calls on_run(), declare it here, and add its line to
// kCommands in command_line.cc. Nothing else knows the commands.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/context.h"

namespace suture::cli {

void add_build(CLI::App &app, Context &context);
// Processes and files.
void add_apply(CLI::App &app, Context &context);
void add_revert(CLI::App &app, Context &context);
void add_status(CLI::App &app, Context &context);
void add_install(CLI::App &app, Context &context);
void add_uninstall(CLI::App &app, Context &context);
// Packages.
void add_sign(CLI::App &app, Context &context);
void add_verify(CLI::App &app, Context &context);
void add_inspect(CLI::App &app, Context &context);
void add_report(CLI::App &app, Context &context);
void add_keygen(CLI::App &app, Context &context);

// All of them, on an app that has none yet.
void add_commands(CLI::App &app, Context &context);

// Understands the command line, runs the command, prints what there is to print; returns the exit status.
int run_command_line(int argc, const char *const *argv);

}  // namespace suture::cli
