#include "cli/targets.h"

#include <CLI/CLI.hpp>
#include <charconv>

#include "base/cat.h"

namespace suture::cli {

void add_target_options(CLI::App &command, Targets &targets, const std::string &what, const std::string &description) {
  command.add_option("subject", targets.subject, description)->type_name(what);
  command.add_option("--pid", targets.words, "process to act on (may be several)")->type_name("N ...");
  command.add_flag("--disk", targets.disk, "act on the file on disk");
  command.add_option("--timeout", targets.timeout_s, "seconds to wait for each process to come to a safe point (10)")
      ->check(CLI::Range(0.001, 86400.0));
}

Status settle_targets(Targets &targets, const std::string &what) {
  for (const std::string &word : targets.words) {
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), pid);
    if (error == std::errc() && end == word.data() + word.size() && pid > 0) {
      targets.pids.push_back(pid);
    } else if (targets.subject.empty() && &word == &targets.words.back()) {
      targets.subject = word;
    } else {
      return Error::usage(cat("--pid ", word, ": not the number of a process"));
    }
  }
  if (targets.subject.empty()) return Error::usage(cat(what, " is missing"));
  if (targets.pids.empty() != targets.disk) return Error::usage("give either --pid N or --disk");
  return {};
}

}  // namespace suture::cli
