#include "cli/progress.h"

#include <unistd.h>

#include <cstdio>

#include "cli/table.h"

namespace suture::cli {

Progress::Progress() : terminal_(::isatty(STDERR_FILENO) == 1) {}

void Progress::show(const std::string &text) {
  if (!terminal_) return;
  const std::string line = "\r\033[K" + printable(text).substr(0, 100);
  (void)std::fwrite(line.data(), 1, line.size(), stderr);  // progress that cannot be shown is no failure
  (void)std::fflush(stderr);
  shown_ = true;
}

void Progress::clear() {
  if (!shown_) return;
  (void)std::fwrite("\r\033[K", 1, 4, stderr);  // as above
  shown_ = false;
}

}  // namespace suture::cli
