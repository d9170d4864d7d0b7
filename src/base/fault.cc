#include "base/fault.h"

#ifdef SUTURE_FAULT_POINTS
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <string>

namespace suture {

void fault_point(const char *name) {
  const char *file = std::getenv("SUTURE_FAULT_TRACE");
  const char *wanted = std::getenv("SUTURE_FAULT");
  // Counted from when a fault is asked for: a test's own runs before it forks the one to be killed are not.
  if (file == nullptr && wanted == nullptr) return;
  static std::map<std::string, int> passed;
  const int count = ++passed[name];
  if (file != nullptr) {
    const int fd = ::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const std::string line = std::string(name) + ":" + std::to_string(count) + "\n";
    if (fd >= 0 && ::write(fd, line.data(), line.size()) < 0) _exit(99);
    if (fd >= 0) ::close(fd);
  }
  if (wanted == nullptr) return;
  const std::string text = wanted;
  const size_t colon = text.find(':');
  const int nth = colon == std::string::npos ? 1 : std::atoi(text.c_str() + colon + 1);
  if (text.substr(0, colon) == name && count == nth) ::raise(SIGKILL);
}

}  // namespace suture
#endif
