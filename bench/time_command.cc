// `time_command COMMAND ARGUMENT...` prints the milliseconds from starting a program to its end, and exits as it does. The
// benchmark's own interpreter takes as long to start a program as the program takes to run.
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>

#include <cstdio>
#include <cstring>

namespace {

double now_ms() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 2) {
    std::fputs("usage: time_command COMMAND ARGUMENT...\n", stderr);
    return 2;
  }
  const double start = now_ms();
  pid_t child = 0;
  const int error = ::posix_spawn(&child, argv[1], nullptr, nullptr, argv + 1, environ);
  int status = 0;
  if (error != 0 || ::waitpid(child, &status, 0) != child) {
    std::fprintf(stderr, "time_command: %s: %s\n", argv[1], std::strerror(error));
    return 1;
  }
  std::fprintf(stderr, "%.3f\n", now_ms() - start);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
