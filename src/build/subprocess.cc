#include "build/subprocess.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/cat.h"

namespace suture {
namespace {

std::vector<char *> pointers(const std::vector<std::string> &texts) {
  std::vector<char *> out;
  for (const std::string &text : texts) out.push_back(const_cast<char *>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

bool ProcessOutcome::succeeded() const {
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string ProcessOutcome::text() const {
  if (WIFEXITED(status)) return cat("exited with status ", WEXITSTATUS(status));
  if (WIFSIGNALED(status))
    return cat("was killed by signal ", WTERMSIG(status), " (", ::strsignal(WTERMSIG(status)), ")");
  return cat("ended with wait status ", status);
}

Result<ProcessOutcome> run_process(const ProcessRequest &request) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  const auto redirect = [&](int fd, const std::optional<std::string> &file, int flags) {
    if (file) ::posix_spawn_file_actions_addopen(&actions, fd, file->c_str(), flags, 0644);
  };
  redirect(0, request.stdin_file, O_RDONLY);
  redirect(1, request.stdout_file, O_WRONLY | O_CREAT | O_APPEND);
  if (request.stderr_file && request.stderr_file == request.stdout_file)
    ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  else
    redirect(2, request.stderr_file, O_WRONLY | O_CREAT | O_APPEND);
  if (!request.folder.empty()) ::posix_spawn_file_actions_addchdir_np(&actions, request.folder.c_str());
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, request.program.c_str(), &actions, nullptr, pointers(request.words).data(),
                                  pointers(request.environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Error::from_errno(error, cat("cannot run ", request.program));
  ProcessOutcome outcome;
  while (::waitpid(pid, &outcome.status, 0) < 0)
    if (errno != EINTR) return Error::from_errno(errno, cat("waiting for ", request.program));
  return outcome;
}

std::vector<std::string> current_environment() {
  std::vector<std::string> out;
  for (char **variable = environ; variable != nullptr && *variable != nullptr; ++variable) out.emplace_back(*variable);
  return out;
}

void unset_variable(std::vector<std::string> &environment, const std::string &name) {
  std::erase_if(environment, [&](const std::string &entry) { return entry.starts_with(name + "="); });
}

void set_variable(std::vector<std::string> &environment, const std::string &name, const std::string &value) {
  unset_variable(environment, name);
  environment.push_back(name + "=" + value);
}

std::string get_variable(const std::vector<std::string> &environment, const std::string &name) {
  for (const std::string &entry : environment)
    if (entry.starts_with(name + "=")) return entry.substr(name.size() + 1);
  return {};
}

}  // namespace suture
