// The least that any tool must do to stop a process: seize all threads, interrupt all, wait for all, resume. It does nothing while
// they stand still; what Suture adds to this is what its stop costs. `bare_stop PID` prints the stop in microseconds, from the
// first interrupt to the last resume. It shares no code with Suture, so that a mistake there cannot hide here.
#include <dirent.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

double now_us() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) * 1e-3;
}

[[noreturn]] void give_up(const char *what) {
  std::fprintf(stderr, "bare_stop: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

std::vector<pid_t> threads_of(const std::string &pid) {
  std::vector<pid_t> threads;
  DIR *folder = ::opendir(("/proc/" + pid + "/task").c_str());
  if (folder == nullptr) give_up("no such process");
  while (const dirent *entry = ::readdir(folder))
    if (entry->d_name[0] != '.') threads.push_back(std::atoi(entry->d_name));
  ::closedir(folder);
  return threads;
}

void request(__ptrace_request what, pid_t thread) {
  if (::ptrace(what, thread, nullptr, nullptr) != 0) give_up("ptrace");
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fputs("usage: bare_stop PID\n", stderr);
    return 2;
  }
  const std::vector<pid_t> threads = threads_of(argv[1]);
  for (const pid_t thread : threads) request(PTRACE_SEIZE, thread);
  const double start = now_us();
  for (const pid_t thread : threads) request(PTRACE_INTERRUPT, thread);
  for (const pid_t thread : threads) {
    int status = 0;
    if (::waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status)) give_up("waitpid");
  }
  for (const pid_t thread : threads) request(PTRACE_DETACH, thread);
  std::printf("%.1f\n", now_us() - start);
  return 0;
}
