// Runs a tool of the system (apt, dpkg, mmdebstrap) and gives what it printed; its messages make the error.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace suture {

struct ToolCall {
  std::vector<std::string> words;             // [0] is a path
  std::filesystem::path folder = "/";         // where it runs
  std::vector<std::string> environment = {};  // added to ours, NAME=VALUE
};

Result<std::string> run_tool_for_output(const ToolCall &call);
// The last lines of what a program printed, for an error.
std::string end_of_text(const std::string &text);

}  // namespace suture
