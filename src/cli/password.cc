#include "cli/password.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "base/cat.h"
#include "base/fd.h"
#include "base/file.h"

namespace suture::cli {

namespace {

constexpr size_t kMaxPasswordBytes = 1024;

// No echo as long as it lives.
class Silence {
 public:
  explicit Silence(int terminal) : terminal_(terminal) {
    if (::tcgetattr(terminal_, &before_) != 0) return;
    struct termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ECHONL;
    changed_ = ::tcsetattr(terminal_, TCSAFLUSH, &quiet) == 0;
  }
  ~Silence() {
    if (changed_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  Silence(const Silence &) = delete;
  Silence &operator=(const Silence &) = delete;

 private:
  int terminal_;
  struct termios before_ {};
  bool changed_ = false;
};

// Byte by byte: what follows the line belongs to whoever reads the descriptor next.
Result<std::string> read_line(int fd) {
  std::string line;
  for (char c = 0; line.size() <= kMaxPasswordBytes;) {
    const ssize_t got = ::read(fd, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::from_errno(errno, "reading the password");
    if (got == 0 || c == '\n') return line;
    line.push_back(c);
  }
  return Error::usage("the password is too long");
}

Result<std::string> ask_terminal(int terminal, const std::string &prompt) {
  TRY(write_all(terminal, as_bytes(prompt + ": ")));
  const Silence silence(terminal);
  return read_line(terminal);
}

}  // namespace

Result<std::string> read_password(const std::string &file, const std::string &prompt, Ask ask) {
  if (!file.empty()) {
    const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return Error::from_errno(errno, cat("password file ", file));
    return read_line(fd.get());
  }
  if (::isatty(STDIN_FILENO) == 0) return read_line(STDIN_FILENO);
  const Fd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC));
  if (!terminal) return Error::from_errno(errno, "asking for a password on the terminal");
  std::string password = TRY(ask_terminal(terminal.get(), prompt));
  if (ask == Ask::twice && TRY(ask_terminal(terminal.get(), prompt + " (again)")) != password)
    return Error::usage("the two passwords differ");
  return password;
}

}  // namespace suture::cli
