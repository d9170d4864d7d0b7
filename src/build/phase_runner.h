// Runs the commands of a build, phase by phase. Of each phase the work folder has a log (log/PHASE.log) and what the
// compiler wrapper noted (records/PHASE).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "build/driver.h"
#include "build/record.h"
#include "build/shim_config.h"
#include "build/subprocess.h"

namespace suture {

class PhaseRunner {
 public:
  // `seen` is the tree as the commands see it. `request` must outlive this.
  PhaseRunner(const BuildRequest &request, std::filesystem::path work, std::filesystem::path seen)
      : request_(request), work_(std::move(work)), seen_(std::move(seen)) {}

  // What the wrapper is told, and what the commands are given; from the next phase on.
  ShimConfig config;
  std::vector<std::string> environment;

  // A phase of that name which was not there yet: "post-3".
  Result<std::string> next_phase(const std::string &name) const;
  // All give the time that was spent. Shell commands run one after the other in the tree; empty ones are passed over.
  Result<double> run_shells(const std::vector<std::string> &commands, const std::string &phase);
  Result<double> repeat(const std::vector<StepRecord> &steps, const std::string &phase);

 private:
  Result<std::filesystem::path> begin_phase(const std::string &phase);
  Result<double> run_logged(ProcessRequest process, const std::filesystem::path &log) const;
  void say(const std::string &text) const {
    if (request_.progress) request_.progress(text);
  }

  const BuildRequest &request_;
  std::filesystem::path work_, seen_;
};

}  // namespace suture
