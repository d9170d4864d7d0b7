#include "process/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

#include "arch/arch.h"
#include "base/cat.h"
#include "base/file.h"

namespace suture {
namespace {

constexpr uint64_t kMaxProcText = uint64_t{256} << 20;
constexpr uint64_t kKernelThreadFlag = 0x00200000;  // PF_KTHREAD in the flags field of /proc/PID/stat
constexpr size_t kMaxPiecesPerCall = 1024;          // UIO_MAXIOV

Result<std::string> read_at(int folder, const char *file) {
  const Fd fd(::openat(folder, file, O_RDONLY | O_CLOEXEC));
  if (!fd) return Error::from_errno(errno, cat("cannot open ", file, " of the process"));
  const Bytes bytes = TRY(read_all(fd.get(), kMaxProcText));
  return std::string(as_text(bytes));
}

Error gone(pid_t pid) {
  return Error::refused(cat("process ", pid, " is gone"));
}

// Nothing was changed, and as long as this caller asks nothing will be.
Error no_access(int error, const std::string &what) {
  return error == EACCES || error == EPERM ? Error::refused(cat(what, ": ", std::generic_category().message(error)))
                                           : Error::from_errno(error, what);
}

// System calls take the numbers of our own pid namespace. In a /proc of another one the same numbers are other
// processes.
Status check_proc_is_ours() {
  std::array<char, 32> text{};
  const ssize_t size = ::readlink("/proc/self", text.data(), text.size());
  if (size < 0 && ::access("/proc/stat", F_OK) != 0) return Error::failed("/proc is not mounted");
  if (size >= 0 && std::string_view(text.data(), static_cast<size_t>(size)) == cat(::getpid())) return {};
  return Error::refused("/proc shows the processes of another pid namespace than the one this runs in")
      .with_next("run suture outside of the namespace, or mount its own /proc in it (mount -t proc proc /proc)");
}

Error thread_not_process(pid_t tid, const std::string &status) {
  const std::string process(status_field(status, "Tgid"));
  return Error::refused(cat(tid, " is a thread of process ", process, ": give that one"));
}

Fd open_folder(int at, const std::string &path) {
  return Fd(::openat(at, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

Result<std::vector<pid_t>> numbers_in(int folder, const char *name) {
  const int fd = ::openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Error::from_errno(errno, "cannot list the threads");
  DIR *dir = ::fdopendir(fd);
  if (dir == nullptr) {
    ::close(fd);
    return Error::from_errno(errno, "cannot list the threads");
  }
  std::vector<pid_t> out;
  while (const dirent *entry = ::readdir(dir)) {
    const std::string_view text = entry->d_name;
    pid_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) out.push_back(value);
  }
  ::closedir(dir);
  return out;
}

bool is_dead(char state) {
  return state == 'Z' || state == 'X' || state == 'x';
}

}  // namespace

std::optional<StatFields> parse_stat(std::string_view text) {
  // The command name may hold anything, also ") R 1": the last parenthesis ends it.
  const size_t end = text.rfind(')');
  if (end == std::string_view::npos) return std::nullopt;
  text.remove_prefix(end + 1);
  StatFields out;
  // Fields are counted from 3 (state); flags is 9, start time 22.
  for (int field = 3; field <= 22 && !text.empty(); ++field) {
    const size_t start = text.find_first_not_of(' ');
    if (start == std::string_view::npos) return std::nullopt;
    text.remove_prefix(start);
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    if (field == 3) out.state = word[0];
    if (field == 9) std::from_chars(word.data(), word.data() + word.size(), out.flags);
    if (field == 22) {
      std::from_chars(word.data(), word.data() + word.size(), out.start_time);
      return out;
    }
  }
  return std::nullopt;
}

std::string_view status_field(std::string_view status, std::string_view name) {
  for (size_t at = 0; at < status.size();) {
    const size_t end = std::min(status.find('\n', at), status.size());
    std::string_view line = status.substr(at, end - at);
    if (line.size() > name.size() && line.substr(0, name.size()) == name && line[name.size()] == ':') {
      line.remove_prefix(name.size() + 1);
      const size_t start = line.find_first_not_of(" \t");
      return start == std::string_view::npos ? std::string_view{} : line.substr(start);
    }
    at = end + 1;
  }
  return {};
}

std::optional<uint64_t> status_number(std::string_view status, std::string_view name, int base) {
  const std::string_view text = status_field(status, name);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

const Arch &Process::arch() const { return *find_arch(ArchId::x86_64); }

Result<Process> Process::open(pid_t pid) {
  Process out;
  TRY(check_proc_is_ours());
  out.pid_ = pid;
  out.folder_ = open_folder(AT_FDCWD, cat("/proc/", pid));
  if (!out.folder_) return errno == ENOENT ? gone(pid) : no_access(errno, cat("cannot look at process ", pid));
  out.pidfd_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const int pin_error = out.pidfd_ ? 0 : errno;
  // What older and newer kernels say of a thread that leads no process.
  if (pin_error == EINVAL || pin_error == ENOENT)
    return thread_not_process(pid, TRY(read_at(out.folder_.get(), "status")));
  if (pin_error != 0) return pin_error == ESRCH ? gone(pid) : no_access(pin_error, cat("cannot pin process ", pid));
  const std::optional<StatFields> stat = parse_stat(TRY(read_at(out.folder_.get(), "stat")));
  if (!stat) return gone(pid);
  if (stat->flags & kKernelThreadFlag) return Error::refused(cat("process ", pid, " is a kernel thread"));
  out.start_time_ = stat->start_time;
  out.comm_ = TRY(read_at(out.folder_.get(), "comm"));
  if (!out.comm_.empty() && out.comm_.back() == '\n') out.comm_.pop_back();

  // A leader that called pthread_exit stays as a zombie without memory while its threads live on.
  out.live_thread_ = pid;
  if (is_dead(stat->state)) {
    out.live_thread_ = 0;
    for (const pid_t tid : TRY(numbers_in(out.folder_.get(), "task"))) {
      const Result<std::string> text = read_at(out.folder_.get(), cat("task/", tid, "/stat").c_str());
      const std::optional<StatFields> fields = text ? parse_stat(*text) : std::nullopt;
      if (fields && !is_dead(fields->state)) out.live_thread_ = tid;
    }
    if (out.live_thread_ == 0) return Error::refused(cat("process ", pid, " (", out.comm_, ") is a zombie"));
  }
  out.tasks_ = open_folder(out.folder_.get(), "task");
  out.task_ = open_folder(out.folder_.get(), cat("task/", out.live_thread_));
  if (!out.tasks_ || !out.task_) return gone(pid);
  out.memory_ = Fd(::openat(out.task_.get(), "mem", O_RDWR | O_CLOEXEC));
  if (!out.memory_) {
    if (errno == ENOENT || errno == ESRCH) return gone(pid);
    return no_access(errno, cat("no permission to change process ", pid, " (", out.comm_, ")"));
  }
  return out;
}

Status Process::claim(Deadline until) const {
  constexpr timespec kPause = {0, 2'000'000};
  while (::flock(memory_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return Error::from_errno(errno, cat("cannot lock process ", pid_));
    if (until.passed())
      return Error::refused(
          cat("another run of suture is at work on process ", pid_, " (", comm_, ") and does not end"));
    ::nanosleep(&kPause, nullptr);
  }
  return {};
}

Result<std::string> Process::proc_text(const char *file) const {
  return read_at(task_.get(), file);
}

Result<std::string> Process::task_text(pid_t tid, const char *file) const {
  return read_at(folder_.get(), cat("task/", tid, "/", file).c_str());
}

Result<Maps> Process::maps() const {
  const std::string text = TRY(proc_text("maps"));
  if (text.empty()) return gone(pid_);
  return Maps::parse(text);
}

Result<std::vector<pid_t>> Process::tasks() const {
  return numbers_in(folder_.get(), "task");
}

// The folder of the threads has a link for each, and two (proc_task_getattr of the kernel).
size_t Process::thread_count() const {
  struct stat folder {};
  return ::fstat(tasks_.get(), &folder) == 0 && folder.st_nlink > 2 ? static_cast<size_t>(folder.st_nlink) - 2 : 0;
}

Status Process::read(RunAddr at, std::span<uint8_t> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(memory_.get(), out.data() + done, out.size() - done, static_cast<off_t>(at.value + done));
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) return gone(pid_);  // the memory this descriptor stands for no longer exists
    if (got < 0) return Error::from_errno(errno, cat("cannot read ", out.size(), " bytes at ", hex(at.value)));
    done += static_cast<size_t>(got);
  }
  return {};
}

Result<Bytes> Process::read_bytes(RunAddr at, uint64_t size_bytes) const {
  Bytes out(static_cast<size_t>(size_bytes));
  TRY(read(at, out));
  return out;
}

void Process::read_many(std::span<ReadPiece> pieces) const {
  std::vector<iovec> local;
  std::vector<iovec> remote;
  for (size_t first = 0; first < pieces.size();) {
    const size_t count = std::min(pieces.size() - first, kMaxPiecesPerCall);
    local.clear();
    remote.clear();
    for (const ReadPiece &piece : pieces.subspan(first, count)) {
      local.push_back({piece.out.data(), piece.out.size()});
      remote.push_back({reinterpret_cast<void *>(piece.at.value), piece.out.size()});
    }
    const ssize_t got = ::process_vm_readv(live_thread_, local.data(), count, remote.data(), count, 0);
    size_t left = got < 0 ? 0 : static_cast<size_t>(got);
    size_t whole = 0;
    while (whole < count && left >= pieces[first + whole].out.size()) {
      pieces[first + whole].read_bytes = pieces[first + whole].out.size();
      left -= pieces[first + whole].out.size();
      ++whole;
    }
    first += whole;
    // The call ends at the first byte it cannot read: note what came of that piece and go on behind it.
    if (whole < count) pieces[first++].read_bytes = left;
  }
}

Status Process::write(RunAddr at, ByteView bytes) const {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put =
        ::pwrite(memory_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(at.value + done));
    if (put < 0 && errno == EINTR) continue;
    if (put == 0) return gone(pid_);
    if (put < 0) return Error::from_errno(errno, cat("cannot write ", bytes.size(), " bytes at ", hex(at.value)));
    done += static_cast<size_t>(put);
  }
  return {};
}

bool Process::write_own(RunAddr at, ByteView bytes) const {
  const iovec local{const_cast<uint8_t *>(bytes.data()), bytes.size()};  // the kernel only reads it
  const iovec remote{reinterpret_cast<void *>(at.value), bytes.size()};
  return ::process_vm_writev(live_thread_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(bytes.size());
}

bool Process::same_program() const {
  const Result<std::string> text = read_at(folder_.get(), "stat");
  const std::optional<StatFields> stat = text ? parse_stat(*text) : std::nullopt;
  if (!stat || stat->start_time != start_time_) return false;
  // A zero-byte read means that the address space is gone (exit or exec).
  uint8_t byte = 0;
  return ::pread(memory_.get(), &byte, 1, 0) != 0;
}

}  // namespace suture
