// Runs one program and waits for it. Only what the build side needs: words, environment, working folder, redirections.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace suture {

struct ProcessRequest {
  std::string program;             // path; not looked up
  std::vector<std::string> words;  // argv, [0] included
  std::vector<std::string> environment;
  std::string folder;                                               // empty: ours
  std::optional<std::string> stdin_file, stdout_file, stderr_file;  // appended to; empty: inherited
};

struct ProcessOutcome {
  int status = 0;  // as from waitpid
  bool succeeded() const;
  // "exited with status 2", "killed by signal 9 (Killed)"
  std::string text() const;
};

Result<ProcessOutcome> run_process(const ProcessRequest &request);

// Our environment as NAME=VALUE, and changes to such a list.
std::vector<std::string> current_environment();
void set_variable(std::vector<std::string> &environment, const std::string &name, const std::string &value);
void unset_variable(std::vector<std::string> &environment, const std::string &name);
std::string get_variable(const std::vector<std::string> &environment, const std::string &name);

}  // namespace suture
