#include "cli/context.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/table.h"

namespace suture::cli {

namespace {

std::filesystem::path from_environment(const char *name, const char *otherwise) {
  const char *value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

}  // namespace

Context default_context() {
  Context context;
  context.trust_dir = from_environment("SUTURE_TRUST_DIR", "/etc/suture/trust.d");
  context.state_dir = from_environment("SUTURE_STATE_DIR", "/var/lib/suture");
  return context;
}

void on_run(CLI::App &command, Context &context, std::function<Result<int>()> work) {
  command.callback([&context, work = std::move(work)] { context.work = work; });
}

void add_json_option(CLI::App &command, Context &context) {
  command.add_flag_callback(
      "--json", [&context] { context.format = OutputFormat::json; }, "report as JSON");
}

void add_trust_dir_option(CLI::App &command, Context &context) {
  command.add_option("--trust-dir", context.trust_dir, "folder of the public keys that are trusted (*.pub)")
      ->type_name("DIR")
      ->capture_default_str();
}

void add_state_dir_option(CLI::App &command, Context &context) {
  command.add_option("--state-dir", context.state_dir, "folder of the installed packages and kept originals")
      ->type_name("DIR")
      ->capture_default_str();
}

void print(std::string_view text) {
  (void)std::fwrite(text.data(), 1, text.size(), stdout);
}  // main checks ferror()

void print_json(const nlohmann::json &value) {
  // Names from a target may hold any bytes; they are replaced rather than thrown at.
  print(value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void warn(std::string_view text) {
  std::string out = "suture: ";
  for (size_t at = 0; at <= text.size();) {  // line by line: names in an Error may come from a target
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    // What to do next names options, which take the linker's names.
    out += (line.starts_with("  next: ") ? printable(line) : readable(line)) + "\n";
    at = end + 1;
  }
  (void)std::fwrite(out.data(), 1, out.size(), stderr);  // there is nowhere to say that this failed
}

nlohmann::json to_json(const Error &error) {
  return {{"verdict", name_of(error.verdict())},
          {"target", name_of(error.state())},
          {"what", error.what()},
          {"steps", error.steps()},
          {"next", error.next()},
          {"message", error.line()}};
}

void print_error(const Error &error, OutputFormat format) {
  warn(error.text());
  if (format == OutputFormat::json) print_json({{"error", to_json(error)}});
}

}  // namespace suture::cli
