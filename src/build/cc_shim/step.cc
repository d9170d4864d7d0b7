// suture-cc as make or ninja.
#include <algorithm>

#include "build/cc_shim/shim.h"
#include "build/record.h"
#include "build/subprocess.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

// debian/rules is a makefile that runs other builds: its calls of make are what is wanted, not the run of itself.
bool runs_debian_rules(const std::vector<std::string> &args) {
  constexpr std::string_view kRules = "debian/rules";
  return std::any_of(args.begin(), args.end(), [&](std::string_view arg) { return arg.ends_with(kRules); });
}

// gcc's lto-wrapper has make run the parts of a link side by side (gcc/lto-wrapper.cc; the driver sets the variable for what it calls).
bool is_part_of_a_link(const std::vector<std::string> &environment) {
  return !get_variable(environment, "COLLECT_GCC_OPTIONS").empty() || !get_variable(environment, kActiveVariable).empty();
}

}  // namespace

bool is_step_id(const std::string &text) {
  return !text.empty() && text.find_first_not_of("0123456789-") == std::string::npos;
}

void run_build_tool(ShimCall call) {
  const bool within = !get_variable(call.environment, kStepVariable).empty();
  if (call.config.state.empty() || within || runs_debian_rules(call.args) || is_part_of_a_link(call.environment)) become_tool(call);
  std::error_code error;
  StepRecord record;
  record.id = unique_record_id();
  record.cwd = fs::current_path(error).string();
  record.tool = call.tool;
  record.args = call.args;
  record.environment = call.environment;
  set_variable(call.environment, kStepVariable, record.id);
  // Not noted: then the build is done again as a whole.
  if (!error) (void)write_record(call.config.records(), record);
  become_tool(call);
}

}  // namespace suture
