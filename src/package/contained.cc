#include "package/contained.h"

#include <elf.h>
#include <fcntl.h>
#include <grp.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>

#include "base/cat.h"
#include "base/fd.h"
#include "base/file.h"
#include "package/flat.h"
#include "package/manifest.h"

// Our own program's ELF header, placed there by the linker: says for which machine the running code was built.
extern "C" const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

namespace suture {

namespace {

// The sanitizers reserve terabytes of address space, and ask whether memory can be read by writing it to a pipe of their
// own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

constexpr rlim_t kMaxAddressSpaceBytes = rlim_t{8} << 30;
constexpr rlim_t kMaxCpuSeconds = 60;
constexpr uint64_t kMaxResultBytes = uint64_t{4} << 30;
constexpr uid_t kNobody = 65534;
constexpr int kPipeInChild = 3;

// Exit codes of the child.
constexpr int kExitDone = 0;
constexpr int kExitNotConfined = 81;
constexpr int kExitNoMemory = 82;

void set_limit(__rlimit_resource what, rlim_t value) {
  const struct rlimit limit { value, value };
  (void)::setrlimit(what, &limit);  // a stricter limit that is already there is as good
}

// Leaves only the pipe, as descriptor 3.
bool keep_only_pipe(int pipe) {
  if (pipe != kPipeInChild && ::dup2(pipe, kPipeInChild) < 0) return false;
  for (int fd = 0; fd < kPipeInChild; ++fd) ::close(fd);
  if (::syscall(SYS_close_range, kPipeInChild + 1, ~0U, 0) == 0) return true;
  const long highest = ::sysconf(_SC_OPEN_MAX);  // before Linux 5.9
  for (int fd = kPipeInChild + 1; fd < highest; ++fd) ::close(fd);
  return true;
}

bool drop_identity() {
  if (::geteuid() != 0) return true;
  // In a user namespace without a user "nobody" this is EINVAL; the filter below leaves nothing that an identity is
  // good for.
  const bool dropped = ::setgroups(0, nullptr) == 0 && ::setresgid(kNobody, kNobody, kNobody) == 0 &&
                       ::setresuid(kNobody, kNobody, kNobody) == 0;
  return dropped || errno == EINVAL || errno == EPERM;
}

// Memory without execution, the pipe, and the end. Everything else kills the process.
bool install_filter() {
  // sigaltstack is what the sanitizers ask for before a function that does not return.
  // sysinfo: qsort of the C library asks how much memory there is.
  constexpr std::array kAllowed = {SYS_write,        SYS_exit,        SYS_exit_group, SYS_brk,
                                   SYS_munmap,       SYS_mremap,      SYS_madvise,    SYS_futex,
                                   SYS_rt_sigreturn, SYS_sched_yield, SYS_sigaltstack,
                                   SYS_sysinfo};
  constexpr std::array kAllowedToSanitizers = {SYS_pipe2, SYS_close};
  constexpr std::array kAllowedWithoutExec = {SYS_mmap, SYS_mprotect};  // both have the protection as third argument
  // libdw asks for the path behind its descriptor (-1, it reads from memory); the answer is that there is none.
  constexpr std::array kAnsweredNo = {
#ifdef SYS_readlink
      SYS_readlink,
#endif
      SYS_readlinkat};
  // A program may call the kernel by another ABI (int 0x80), where the same numbers are other calls.
  const uint32_t abi =
      __ehdr_start.e_machine | (sizeof(void *) == 8 ? uint32_t{__AUDIT_ARCH_64BIT} : 0) | uint32_t{__AUDIT_ARCH_LE};
  constexpr auto statement = [](int code, uint32_t value) {
    return sock_filter{static_cast<uint16_t>(code), 0, 0, value};
  };
  constexpr auto test = [](int code, uint32_t value, uint8_t skip_if, uint8_t skip_if_not) {
    return sock_filter{static_cast<uint16_t>(BPF_JMP | BPF_K | code), skip_if, skip_if_not, value};
  };
  const auto load = [&](size_t offset) { return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); };
  const sock_filter allow = statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const sock_filter kill = statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);

  std::vector<sock_filter> program = {load(offsetof(seccomp_data, arch)), test(BPF_JEQ, abi, 1, 0), kill,
                                      load(offsetof(seccomp_data, nr))};
  const auto let_pass = [&](long number) {
    program.push_back(test(BPF_JEQ, static_cast<uint32_t>(number), 0, 1));
    program.push_back(allow);
  };
  for (const long number : kAllowed) let_pass(number);
  if (kSanitized)
    for (const long number : kAllowedToSanitizers) let_pass(number);
  for (const long number : kAnsweredNo) {
    program.push_back(test(BPF_JEQ, static_cast<uint32_t>(number), 0, 1));
    program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOENT));
  }
  for (const long number : kAllowedWithoutExec) {
    program.push_back(test(BPF_JEQ, static_cast<uint32_t>(number), 0, 4));
    program.push_back(load(offsetof(seccomp_data, args) + 2 * sizeof(uint64_t)));
    program.push_back(test(BPF_JSET, PROT_EXEC, 0, 1));
    program.push_back(kill);
    program.push_back(allow);
  }
  program.push_back(kill);
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0;
}

bool confine(int pipe) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_DUMPABLE, 0);  // else root's memory would be open to other processes of "nobody"
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGSEGV, SIGBUS, SIGABRT}) ::signal(signal, SIG_DFL);
  if (!keep_only_pipe(pipe)) return false;
  set_limit(RLIMIT_CORE, 0);
  set_limit(RLIMIT_CPU, kMaxCpuSeconds);
  set_limit(RLIMIT_FSIZE, 0);
  set_limit(RLIMIT_NPROC, 0);
  if (!kSanitized) set_limit(RLIMIT_NOFILE, 0);
  if (!kSanitized) set_limit(RLIMIT_AS, kMaxAddressSpaceBytes);
  if (!drop_identity()) return false;
  // setresuid() made us dumpable as /proc/sys/fs/suid_dumpable says.
  ::prctl(PR_SET_DUMPABLE, 0);
  return install_filter();
}

[[noreturn]] void run_child(int pipe, const std::function<Bytes()> &work) {
  if (!confine(pipe)) ::_exit(kExitNotConfined);
  try {
    const Bytes result = work();
    ::_exit(write_all(kPipeInChild, result) ? kExitDone : kExitNotConfined);
  } catch (const std::bad_alloc &) {
    ::_exit(kExitNoMemory);
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

Result<Bytes> run_contained(const std::function<Bytes()> &work, uint64_t limit_bytes) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error::from_errno(errno, "pipe");
  Fd from_child(ends[0]);
  Fd to_parent(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return Error::from_errno(errno, "starting a process without privileges");
  if (child == 0) run_child(to_parent.get(), work);
  to_parent.reset();
  Result<Bytes> result = read_all(from_child.get(), limit_bytes);
  from_child.reset();
  if (!result) ::kill(child, SIGKILL);
  const int status = wait_for(child);
  if (!result) return result;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kExitDone) return result;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kExitNoMemory)
    return Error::refused("needs more memory than is allowed");
  if (WIFSIGNALED(status))
    return Error::corrupt(
        cat("it made its parser die of signal ", WTERMSIG(status), " (", ::strsignal(WTERMSIG(status)), ")"));
  return Error::failed("the process that parses it could not be confined (is seccomp available?)");
}

Result<Package> parse_contained(ByteView payload, Blobs wanted) {
  const Bytes flat = TRY_WHILE(run_contained([&] { return flatten(parse_payload(payload, wanted)); }, kMaxResultBytes),
                               "parsing a package that no trusted key signed, in a process without privileges");
  return unflatten(flat);
}

}  // namespace suture
