#include "build/phase_runner.h"

#include "base/cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "build/repeat_steps.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLogTailLines = 15;

std::string log_tail(const fs::path &log) {
  const std::string text = end_of_file(log);
  size_t at = text.size();
  for (size_t lines = 0; lines <= kLogTailLines && at != std::string::npos && at > 0; ++lines)
    at = text.rfind('\n', at - 1);
  return text.substr(at == std::string::npos ? 0 : at);
}

}  // namespace

Result<std::string> PhaseRunner::next_phase(const std::string &name) const {
  for (size_t number = 1;; ++number) {
    const std::string phase = cat(name, "-", number);
    std::error_code error;
    if (fs::create_directories(work_ / "records" / phase, error)) return phase;
    if (error) return Error::failed(cat("cannot create a record folder: ", error.message()));
  }
}

Result<fs::path> PhaseRunner::begin_phase(const std::string &phase) {
  config.phase = phase;
  TRY(write_shim_config(work_ / "shim", config));
  fs::path log = work_ / "log" / (phase + ".log");
  std::error_code ignored;  // appended to when it cannot be removed; made by the wrapper when it is not there
  fs::remove(log, ignored);
  fs::create_directories(work_ / "records" / phase, ignored);
  return log;
}

Result<double> PhaseRunner::run_shells(const std::vector<std::string> &commands, const std::string &phase) {
  const fs::path log = TRY(begin_phase(phase));
  double spent = 0;
  for (const std::string &command : commands) {
    if (command.empty()) continue;
    say(cat("building (", phase, "): ", command, "  [log: ", log.string(), "]"));
    ProcessRequest process;
    process.program = "/bin/sh";
    process.words = {"sh", "-c", command};
    process.environment = environment;
    process.folder = seen_.string();
    spent += TRY(run_logged(std::move(process), log));
  }
  return spent;
}

Result<double> PhaseRunner::repeat(const std::vector<StepRecord> &steps, const std::string &phase) {
  const fs::path log = TRY(begin_phase(phase));
  say(cat("building (", phase, "): make or ninja, as the first build called them  [log: ", log.string(), "]"));
  double spent = 0;
  for (const StepRecord &step : steps) {
    ProcessRequest process;
    process.program = step.tool;
    process.words = step.args;
    process.words.insert(process.words.begin(), step.tool);
    process.environment = environment_to_repeat(step);
    process.folder = step.cwd;
    spent += TRY(run_logged(std::move(process), log));
  }
  return spent;
}

Result<double> PhaseRunner::run_logged(ProcessRequest process, const fs::path &log) const {
  process.stdin_file = "/dev/null";
  process.stdout_file = process.stderr_file = log.string();
  const double start = seconds_now();
  const ProcessOutcome outcome = TRY(request_.place ? request_.place->run(process) : run_process(process));
  if (!outcome.succeeded())
    return Error::failed(cat("the build command ", outcome.text(), "; the end of its output:", log_tail(log)))
        .with_next(cat("the whole output is in ", log.string()));
  return seconds_now() - start;
}

}  // namespace suture
