#include "debian/private_root.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/cat.h"
#include "base/fd.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr int kChildFailed = 125;
constexpr const char *kDevices[] = {"null", "zero", "full", "random", "urandom", "tty"};

// What a child that could not go on tells us before it ends.
struct Complaint {
  int error = 0;
  char step[120] = {};
};

// The child's side. We have one thread, so that after fork() it may do anything; it tells its errors through a pipe that
// a successful exec closes.
class Child {
 public:
  Child(const PrivateRoot &root, const ProcessRequest &request, int report)
      : root_(root), request_(request), report_(report) {
    for (const std::string &word : request.words) words_.push_back(const_cast<char *>(word.c_str()));
    for (const std::string &entry : request.environment) environment_.push_back(const_cast<char *>(entry.c_str()));
    words_.push_back(nullptr);
    environment_.push_back(nullptr);
  }

  [[noreturn]] void run(pid_t parent, int in, int out, int err) {
    end_with(parent);
    const int network = root_.network == PrivateRoot::Network::off ? CLONE_NEWNET : 0;
    check(::unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | network), "making namespaces");
    for (const auto &[from, to] : {std::pair{in, 0}, std::pair{out, 1}, std::pair{err, 2}})
      if (from >= 0) check(::dup2(from, to), "redirecting");
    const pid_t self = ::getpid();
    const pid_t first = ::fork();
    check(first, "forking");
    if (first == 0) be_first_process(self);
    ::close(report_);
    end_like(wait_for(first));
  }

 private:
  // Process 1 of the namespace: when it ends, the kernel ends all others in it.
  [[noreturn]] void be_first_process(pid_t parent) {
    (void)parent;  // has another number, or none, in here
    check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "asking to end with suture");
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "making mounts private");
    if (root_.network == PrivateRoot::Network::off) start_loopback();
    if (root_.folder == "/")
      mount_at("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
    else
      enter_root();
    const pid_t program = ::fork();
    check(program, "forking");
    if (program == 0) become_program();
    ::close(report_);
    end_like(wait_for(program));
  }

  void enter_root() {
    const std::string root = root_.folder.string();
    check(::mount(root.c_str(), root.c_str(), nullptr, MS_BIND | MS_REC, nullptr), "binding the root");
    for (const fs::path &folder : root_.shared)
      bind(folder.string(), (root_.folder / folder.relative_path()).string());
    mount_at("proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
    mount_at("tmpfs", root + "/dev", "tmpfs", MS_NOSUID, "mode=0755,size=1m");
    for (const char *device : kDevices) {
      const std::string inside = cat(root, "/dev/", device);
      const int fd = ::open(inside.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
      check(fd, "making a device file");
      ::close(fd);
      bind(cat("/dev/", device), inside);
    }
    for (const auto &[name, target] : {std::pair{"fd", "/proc/self/fd"}, std::pair{"stdin", "/proc/self/fd/0"},
                                       std::pair{"stdout", "/proc/self/fd/1"}, std::pair{"stderr", "/proc/self/fd/2"},
                                       std::pair{"ptmx", "pts/ptmx"}})
      check(::symlink(target, cat(root, "/dev/", name).c_str()), "making a link in /dev");
    check(::mkdir((root + "/dev/pts").c_str(), 0755), "making /dev/pts");
    check(::mkdir((root + "/dev/shm").c_str(), 01777), "making /dev/shm");
    mount_at("devpts", root + "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620");
    mount_at("tmpfs", root + "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    check(::chroot(root.c_str()), "entering the root");
  }

  [[noreturn]] void become_program() {
    check(::chdir(request_.folder.empty() ? "/" : request_.folder.c_str()), "entering the folder");
    if (root_.user) {
      check(::setgroups(0, nullptr), "leaving our groups");
      check(::setresgid(*root_.user, *root_.user, *root_.user), "becoming another group");
      check(::setresuid(*root_.user, *root_.user, *root_.user), "becoming another user");
      check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "giving up new privileges");
    }
    ::execve(request_.program.c_str(), words_.data(), environment_.data());
    check(-1, cat("running ", request_.program).c_str());
    ::_exit(kChildFailed);
  }

  void end_with(pid_t parent) {
    check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "asking to end with suture");
    if (::getppid() != parent) ::_exit(kChildFailed);  // it ended before we asked
  }

  static void start_loopback() {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    ::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (socket) (void)::ioctl(socket.get(), SIOCSIFFLAGS, &request);  // a build without loopback is still a build
  }

  void bind(const std::string &from, const std::string &to) {
    check(::mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr), cat("binding ", from).c_str());
  }

  void mount_at(const char *source, const std::string &at, const char *type, unsigned long flags, const char *options) {
    check(::mount(source, at.c_str(), type, flags, options), cat("mounting ", at).c_str());
  }

  // Reaps what the program leaves behind, too: process 1 inherits it.
  static int wait_for(pid_t pid) {
    for (int status = 0;;) {
      const pid_t ended = ::waitpid(-1, &status, 0);
      if (ended == pid) return status;
      if (ended < 0 && errno != EINTR) return kChildFailed << 8;
    }
  }

  [[noreturn]] static void end_like(int status) {
    if (WIFSIGNALED(status)) {
      ::signal(WTERMSIG(status), SIG_DFL);
      ::raise(WTERMSIG(status));
      ::_exit(128 + WTERMSIG(status));  // process 1 does not die of its own signals
    }
    ::_exit(WEXITSTATUS(status));
  }

  void check(long result, const char *step) const {
    if (result >= 0) return;
    Complaint complaint;
    complaint.error = errno;
    ::strncpy(complaint.step, step, sizeof complaint.step - 1);
    (void)!::write(report_, &complaint, sizeof complaint);  // the exit status tells as much as it can
    ::_exit(kChildFailed);
  }

  const PrivateRoot &root_;
  const ProcessRequest &request_;
  int report_;
  std::vector<char *> words_, environment_;
};

Result<Fd> open_for(const std::optional<std::string> &file, int flags) {
  if (!file) return Fd();
  Fd fd(::open(file->c_str(), flags | O_CLOEXEC, 0644));
  if (!fd) return Error::from_errno(errno, cat("cannot open ", *file));
  return fd;
}

Status make_mount_points(const PrivateRoot &root) {
  std::error_code error;
  for (const fs::path &folder : root.shared) {
    fs::create_directories(root.folder / folder.relative_path(), error);
    if (error) return Error::failed(cat("cannot create ", folder.string(), " in the build root: ", error.message()));
  }
  return {};
}

}  // namespace

Result<ProcessOutcome> run_in_private_root(const PrivateRoot &root, const ProcessRequest &request) {
  TRY(make_mount_points(root));
  const Fd in = TRY(open_for(request.stdin_file, O_RDONLY));
  const Fd out = TRY(open_for(request.stdout_file, O_WRONLY | O_CREAT | O_APPEND));
  const bool joined = request.stderr_file && request.stderr_file == request.stdout_file;
  const Fd err = TRY(open_for(joined ? std::nullopt : request.stderr_file, O_WRONLY | O_CREAT | O_APPEND));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error::from_errno(errno, "cannot make a pipe");
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  const pid_t self = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return Error::from_errno(errno, "cannot fork");
  if (child == 0) Child(root, request, writer.get()).run(self, in.get(), out.get(), joined ? out.get() : err.get());
  writer.reset();
  Complaint complaint;
  ssize_t got = 0;
  while ((got = ::read(reader.get(), &complaint, sizeof complaint)) < 0 && errno == EINTR) {
  }
  ProcessOutcome outcome;
  while (::waitpid(child, &outcome.status, 0) < 0)
    if (errno != EINTR) return Error::from_errno(errno, "waiting for the build root");
  if (got != sizeof complaint) return outcome;
  complaint.step[sizeof complaint.step - 1] = '\0';
  if (complaint.error == EPERM || complaint.error == EACCES || complaint.error == ENOSPC || complaint.error == ENOSYS)
    return Error::refused(cat("a private build root cannot be used here: ", complaint.step, ": ", ::strerror(complaint.error)))
        .with_next("run as root, where mounting and namespaces are allowed");
  return Error::from_errno(complaint.error, complaint.step);
}

Status check_private_roots() {
  if (::geteuid() != 0)
    return Error::refused("a private build root needs root's privileges: it is entered with chroot and mounts its own /proc and /dev")
        .with_next("run as root; the build itself runs as an unprivileged user in there");
  ProcessRequest request;
  request.program = "/bin/true";
  request.words = {"true"};
  const ProcessOutcome outcome = TRY(run_in_private_root({"/"}, request));
  if (!outcome.succeeded()) return Error::refused(cat("a private build root cannot be used here: /bin/true ", outcome.text()));
  return {};
}

}  // namespace suture
