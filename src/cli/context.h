// What every command of the `suture` program shares: the options all of them understand and how a command is run.
// A command declares its options on its CLI::App and hands its work to on_run(); the work happens after the whole
// command line was understood, so that a usage error never comes after an effect. Work returns the exit status, or an
// Error that is printed here once, in one form for all commands. Only this folder prints.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace CLI {
class App;
}

namespace suture::cli {

// The exit statuses of the command line contract (docs/operator-guide.md); an Error maps to one by exit_status().
enum ExitStatus : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kRefused = 3,
  kPartly = 4,   // some targets patched and some not
  kDamaged = 5,  // must never be seen
};

enum class OutputFormat { people, json };

struct Context {
  OutputFormat format = OutputFormat::people;
  std::filesystem::path
      trust_dir;  // keys whose signatures are accepted: --trust-dir, SUTURE_TRUST_DIR, /etc/suture/trust.d
  std::filesystem::path state_dir;  // what is installed: --state-dir, SUTURE_STATE_DIR, /var/lib/suture

  std::function<Result<int>()> work;  // set by the chosen command's on_run()

  bool json() const { return format == OutputFormat::json; }
};

// Context with the defaults of this environment.
Context default_context();

// Makes `work` what the program does when `command` was chosen.
void on_run(CLI::App &command, Context &context, std::function<Result<int>()> work);

// Options that several commands have, with the same words in all of them.
void add_json_option(CLI::App &command, Context &context);
void add_trust_dir_option(CLI::App &command, Context &context);
void add_state_dir_option(CLI::App &command, Context &context);

// Standard output of a command that succeeded (or reports per target). Text is printed as it is.
void print(std::string_view text);
void print_json(const nlohmann::json &value);

// A note on standard error, "suture: <text>"; for what does not change the exit status.
void warn(std::string_view text);

// The Error on standard error, and as {"error": {...}} on standard output with --json.
void print_error(const Error &error, OutputFormat format);
nlohmann::json to_json(const Error &error);

}  // namespace suture::cli
