// Understands an ld command line (bfd, gold, lld, mold) far enough to know its output, its kind of output, its inputs
// in order and whether a link map is already asked for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "build/record.h"

namespace suture {

struct LdCommand {
  LinkKind kind = LinkKind::executable;
  std::string output = "a.out";
  std::vector<std::string> inputs;  // files as written, and libraries found through -l and -L, in order
  std::optional<std::string> map_file;
  bool prints_map = false;  // to standard output: a second map option would take it away from there
  bool makes_more = false;  // files or texts beside its output
  bool links = false;       // not only --version or --help
};

// `args` are the words after the program's name, response files expanded. -l is looked up relative to the working
// folder; one that is not found there stays out, as it is then a system library.
LdCommand parse_ld_command(const std::vector<std::string> &args);

}  // namespace suture
