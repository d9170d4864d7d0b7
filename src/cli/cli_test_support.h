// Runs a command line inside the test program.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/commands.h"

namespace suture::cli::testing_support {

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

inline Outcome run(const std::vector<std::string> &arguments) {
  std::vector<const char *> argv = {"suture"};
  for (const std::string &argument : arguments) argv.push_back(argument.c_str());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.status = run_command_line(static_cast<int>(argv.size()), argv.data());
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

}  // namespace suture::cli::testing_support
