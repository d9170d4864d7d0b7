// The choice that apply and revert share: `--pid N...` or `--disk`.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"

namespace suture::cli {

struct Targets {
  std::string subject;             // the package file or the patch id
  std::vector<std::string> words;  // what stood behind --pid
  std::vector<pid_t> pids;
  bool disk = false;
  double timeout_s = 10;

  uint64_t timeout_ms() const { return static_cast<uint64_t>(timeout_s * 1000); }
};

// `what`: the name of the positional, for help texts.
void add_target_options(CLI::App &command, Targets &targets, const std::string &what, const std::string &description);
// Checks what the parser cannot: either pids or the disk, pids that are numbers. A last word behind --pid that is none is
// the positional, for those who write it last.
Status settle_targets(Targets &targets, const std::string &what);

}  // namespace suture::cli
