#include "debian/run_tool.h"

#include <unistd.h>

#include "base/cat.h"
#include "base/file.h"
#include "build/subprocess.h"

namespace suture {
namespace {

constexpr uint64_t kMaxOutputBytes = 512u << 20;
constexpr size_t kShownLines = 6;

}  // namespace

std::string end_of_text(const std::string &text) {
  size_t at = text.size();
  while (at > 0 && text[at - 1] == '\n') --at;
  const size_t end = at;
  for (size_t lines = 0; lines < kShownLines && at > 0; ++lines) {
    const size_t newline = text.rfind('\n', at - 1);
    at = newline == std::string::npos ? 0 : newline;
  }
  return text.substr(at, end - at);
}

Result<std::string> run_tool_for_output(const ToolCall &call) {
  if (::access(call.words[0].c_str(), X_OK) != 0)
    return Error::refused(cat(call.words[0], " is not there")).with_next("install the Debian package that has it");
  const TempDir scratch = TRY(TempDir::create("suture-tool"));
  ProcessRequest request;
  request.program = call.words[0];
  request.words = call.words;
  request.environment = current_environment();
  set_variable(request.environment, "LC_ALL", "C.UTF-8");
  set_variable(request.environment, "DEBIAN_FRONTEND", "noninteractive");
  for (const std::string &entry : call.environment) {
    const size_t equals = entry.find('=');
    set_variable(request.environment, entry.substr(0, equals), entry.substr(equals + 1));
  }
  request.folder = call.folder.string();
  request.stdin_file = "/dev/null";
  request.stdout_file = (scratch.path() / "out").string();
  request.stderr_file = (scratch.path() / "err").string();
  const ProcessOutcome outcome = TRY(run_process(request));
  std::string output = TRY(read_text(scratch.path() / "out", kMaxOutputBytes));
  if (outcome.succeeded()) return output;
  const Result<std::string> messages = read_text(scratch.path() / "err", kMaxOutputBytes);
  std::string shown;
  for (const std::string &word : call.words) shown += cat(shown.empty() ? "" : " ", word);
  return Error::failed(cat(shown, " ", outcome.text(), ": ", end_of_text(messages && !messages->empty() ? *messages : output)));
}

}  // namespace suture
