#include "build/repeat_steps.h"

#include <algorithm>
#include <set>
#include <string>

#include "base/cat.h"
#include "base/file.h"
#include "build/cc_shim/shim.h"
#include "build/subprocess.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

bool cleans(const StepRecord &step) {
  static const std::set<std::string> goals = {"clean",       "distclean",        "realclean",
                                              "mostlyclean", "maintainer-clean", "clobber"};
  return std::any_of(step.args.begin(), step.args.end(), [](const std::string &arg) { return goals.contains(arg); });
}

// The makefile that `-f` names; empty when none is named.
std::string named_makefile(const std::vector<std::string> &args) {
  for (size_t i = 0; i < args.size(); ++i) {
    if ((args[i] == "-f" || args[i] == "--file" || args[i] == "--makefile") && i + 1 < args.size()) return args[i + 1];
    for (const std::string_view start : {"--file=", "--makefile=", "-f"})
      if (args[i].starts_with(start) && args[i].size() > start.size()) return args[i].substr(start.size());
  }
  return {};
}

// Configuring runs make on makefiles that it removes again, or in folders that it does; others' makefiles lie outside of the tree.
bool is_still_there(const StepRecord &step, const fs::path &seen, const fs::path &tree) {
  const fs::path folder = path_below(seen, step.cwd);
  if (folder.empty()) return false;
  const fs::path here = tree / folder;
  std::error_code error;
  if (!fs::is_directory(here, error)) return false;
  const std::string makefile = named_makefile(step.args);
  if (makefile == "-") return false;
  if (makefile.empty()) return true;
  const fs::path named(makefile);
  if (!named.is_absolute()) return fs::exists(here / named, error);
  const fs::path below = path_below(seen, named);
  return !below.empty() && fs::exists(tree / below, error);
}

}  // namespace

std::vector<StepRecord> steps_to_repeat(const Records &noted, const fs::path &seen, const fs::path &tree) {
  std::set<std::string> making;
  for (const CompileRecord &compile : noted.compiles) making.insert(compile.step);
  for (const LinkRecord &link : noted.links) making.insert(link.step);
  std::vector<StepRecord> steps;
  for (const StepRecord &step : noted.steps) {
    if (cleans(step)) return {};
    const bool asks_only = std::find(step.args.begin(), step.args.end(), "--version") != step.args.end();
    const bool configures = noted.probing.contains(step.id) && !making.contains(step.id);
    if (!asks_only && !configures && is_still_there(step, seen, tree)) steps.push_back(step);
  }
  return steps;
}

std::vector<std::string> environment_to_repeat(const StepRecord &step) {
  std::vector<std::string> environment = step.environment;
  for (const char *name : {"MAKEFLAGS", "MFLAGS"}) {
    std::string kept;
    const std::string flags = get_variable(environment, name);
    for (size_t at = 0; at < flags.size();) {
      const size_t end = std::min(flags.find(' ', at), flags.size());
      const std::string word = flags.substr(at, end - at);
      at = end + 1;
      if (!word.starts_with("--jobserver")) kept += cat(kept.empty() ? "" : " ", word);
    }
    if (!flags.empty()) set_variable(environment, name, kept);
  }
  set_variable(environment, kStepVariable, step.id);
  return environment;
}

}  // namespace suture
