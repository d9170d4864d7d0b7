// suture-cc as make or ninja.
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/cat.h"
#include "build/cc_shim/shim.h"
#include "build/record.h"
#include "build/subprocess.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// debian/rules is a makefile that runs other builds: its calls of make are what is wanted, not the run of itself.
bool runs_debian_rules(const std::vector<std::string> &args) {
  constexpr std::string_view kRules = "debian/rules";
  return std::any_of(args.begin(), args.end(), [&](std::string_view arg) { return arg.ends_with(kRules); });
}

}  // namespace

bool is_step_id(const std::string &text) {
  return !text.empty() && text.find_first_not_of("0123456789-") == std::string::npos;
}

void run_build_tool(ShimCall call) {
  const bool within = !get_variable(call.environment, kStepVariable).empty();
  if (call.config.state.empty() || within || runs_debian_rules(call.args)) become_tool(call);
  std::error_code error;
  StepRecord record;
  record.id = cat(now_ns(), "-", ::getpid());
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
