#include "process/tracee.h"

#include <elf.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/cat.h"

#ifndef PTRACE_O_SUSPEND_SECCOMP
#define PTRACE_O_SUSPEND_SECCOMP (1 << 21)
#endif
#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION static_cast<__ptrace_request>(0x420f)
#endif
#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER static_cast<__ptrace_request>(0x420c)
#endif
#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

namespace suture {
namespace {

constexpr uint64_t kSyscallStopMark = 0x80;  // PTRACE_O_TRACESYSGOOD adds it to SIGTRAP

long request(__ptrace_request what, pid_t tid, uint64_t address, uint64_t data) {
  return ::ptrace(what, tid, reinterpret_cast<void *>(address), reinterpret_cast<void *>(data));
}

bool is_job_control(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

int event_of(int status) {
  return status >> 16;
}

}  // namespace

Result<std::optional<Tracee>> Tracee::seize(pid_t tid) {
  if (request(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACESYSGOOD) == 0) return std::optional<Tracee>(Tracee(tid));
  if (errno == ESRCH) return std::optional<Tracee>();
  return Error::from_errno(errno, cat("cannot attach to thread ", tid));
}

Tracee::Tracee(Tracee &&other) noexcept
    : tid_(other.tid_),
      state_(std::exchange(other.state_, State::gone)),
      group_stop_(other.group_stop_),
      interrupt_pending_(other.interrupt_pending_) {}

Tracee &Tracee::operator=(Tracee &&other) noexcept {
  std::swap(tid_, other.tid_);
  std::swap(state_, other.state_);
  std::swap(group_stop_, other.group_stop_);
  std::swap(interrupt_pending_, other.interrupt_pending_);
  return *this;
}

Tracee::~Tracee() {
  if (state_ == State::gone) return;
  // PTRACE_DETACH works on stopped threads only. A thread that does not stop in time is detached when we exit.
  if (state_ != State::stopped) {
    constexpr uint64_t kPatienceMs = 1000;
    if (!interrupt()) return;
    const Result<Waited> waited = wait_stop(Deadline::in_ms(kPatienceMs));
    if (!waited || *waited != Waited::stopped) return;
  }
  (void)detach();  // nothing more can be done for it here
}

Status Tracee::interrupt() {
  if (interrupt_pending_ || state_ == State::stopped) return {};
  if (request(PTRACE_INTERRUPT, tid_, 0, 0) != 0 && errno != ESRCH)
    return Error::from_errno(errno, cat("cannot interrupt thread ", tid_));
  interrupt_pending_ = true;
  return {};
}

Result<Tracee::Event> Tracee::wait_event(Deadline deadline, Deadline spin) {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  for (;;) {
    int status = 0;
    const pid_t got = ::waitpid(tid_, &status, __WALL | WNOHANG);
    if (got == tid_) {
      if (WIFSTOPPED(status)) return Event{status, Waited::stopped};
      state_ = State::gone;
      return Event{status, Waited::gone};
    }
    if (got < 0 && errno != EINTR) {
      state_ = State::gone;
      return Event{0, Waited::gone};
    }
    if (spin.at_ns != 0 && !spin.passed()) continue;
    const uint64_t left = deadline.left_ns();
    if (left == 0) return Event{0, Waited::late};
    // The signal stays pending from before the waitpid above, so no stop can be missed between the two.
    constexpr uint64_t kSliceNs = 50000000;
    const uint64_t slice = left < kSliceNs ? left : kSliceNs;
    const timespec wait{static_cast<time_t>(slice / 1000000000u), static_cast<long>(slice % 1000000000u)};
    (void)::sigtimedwait(&child, nullptr, &wait);  // a time-out and an interruption both lead back to waitpid
  }
}

Result<Tracee::Waited> Tracee::wait_stop(Deadline deadline, Deadline spin) {
  if (state_ == State::stopped) return Waited::stopped;
  for (;;) {
    const Event event = TRY(wait_event(deadline, spin));
    if (event.waited != Waited::stopped) return event.waited;
    state_ = State::stopped;
    const int signal = WSTOPSIG(event.status);
    if (event_of(event.status) == PTRACE_EVENT_STOP) {
      group_stop_ = is_job_control(signal);
      interrupt_pending_ = false;
      return Waited::stopped;
    }
    // A signal is about to be delivered: it goes on its way with its siginfo, exactly once; the interrupt is still
    // pending and stops the thread before or in the handler.
    const bool delivery = event_of(event.status) == 0 && signal != (SIGTRAP | static_cast<int>(kSyscallStopMark));
    TRY(restart(PTRACE_CONT, delivery ? signal : 0));
  }
}

Status Tracee::restart(int what, int signal) {
  if (request(static_cast<__ptrace_request>(what), tid_, 0, static_cast<uint64_t>(signal)) != 0) {
    if (errno != ESRCH) return Error::from_errno(errno, cat("cannot resume thread ", tid_));
    // Killed while stopped; its exit status is still to be collected.
  }
  state_ = what == PTRACE_LISTEN ? State::listening : State::running;
  return {};
}

Status Tracee::resume() {
  if (state_ != State::stopped) return {};
  // In a group-stop, continuing would make one thread of a stopped process run.
  return restart(group_stop_ ? PTRACE_LISTEN : PTRACE_CONT, 0);
}

Status Tracee::detach() {
  if (state_ != State::stopped) return Error::failed(cat("thread ", tid_, " is not stopped"));
  state_ = State::gone;
  if (request(PTRACE_DETACH, tid_, 0, 0) != 0 && errno != ESRCH)
    return Error::from_errno(errno, cat("cannot detach from thread ", tid_));
  return {};
}

Result<Registers> Tracee::registers() const {
  Registers out{};
  if (::ptrace(PTRACE_GETREGS, tid_, nullptr, &out) != 0)
    return Error::from_errno(errno, cat("cannot read the registers of thread ", tid_));
  return out;
}

Status Tracee::set_registers(const Registers &registers) {
  Registers copy = registers;
  if (::ptrace(PTRACE_SETREGS, tid_, nullptr, &copy) != 0)
    return Error::from_errno(errno, cat("cannot set the registers of thread ", tid_));
  return {};
}

Result<uint64_t> Tracee::signal_mask() const {
  uint64_t mask = 0;
  if (::ptrace(PTRACE_GETSIGMASK, tid_, sizeof mask, &mask) != 0)
    return Error::from_errno(errno, cat("cannot read the signal mask of thread ", tid_));
  return mask;
}

Status Tracee::set_signal_mask(uint64_t mask) {
  if (::ptrace(PTRACE_SETSIGMASK, tid_, sizeof mask, &mask) != 0)
    return Error::from_errno(errno, cat("cannot set the signal mask of thread ", tid_));
  return {};
}

Result<size_t> Tracee::extended_state(std::span<uint8_t> out) const {
  iovec piece{out.data(), out.size()};
  if (::ptrace(PTRACE_GETREGSET, tid_, NT_X86_XSTATE, &piece) != 0)
    return Error::from_errno(errno, cat("cannot read the vector registers of thread ", tid_));
  return piece.iov_len;
}

Result<Bytes> Tracee::extended_state() const {
  Bytes out(kMaxExtendedState);
  out.resize(TRY(extended_state(out)));
  return out;
}

std::optional<bool> Tracee::has_seccomp_filter() const {
  // With no place to put the program, its length is the answer; EINVAL says that the thread is under no filter.
  if (::ptrace(PTRACE_SECCOMP_GET_FILTER, tid_, 0, nullptr) >= 0) return true;
  return errno == EINVAL ? std::optional<bool>(false) : std::nullopt;
}

Status Tracee::set_extended_state(ByteView state) {
  iovec piece{const_cast<uint8_t *>(state.data()), state.size()};  // the kernel only reads it
  if (::ptrace(PTRACE_SETREGSET, tid_, NT_X86_XSTATE, &piece) != 0)
    return Error::from_errno(errno, cat("cannot set the vector registers of thread ", tid_));
  return {};
}

Status Tracee::poke(RunAddr at, ByteView bytes) {
  constexpr size_t kWord = 8;
  for (size_t done = 0; done < bytes.size();) {
    const uint64_t word_at = (at.value + done) & ~uint64_t{kWord - 1};
    const size_t into = static_cast<size_t>(at.value + done - word_at);
    const size_t count = std::min(kWord - into, bytes.size() - done);
    errno = 0;
    const long old = request(PTRACE_PEEKDATA, tid_, word_at, 0);
    if (errno != 0) return Error::from_errno(errno, cat("cannot read the word at ", hex(word_at)));
    uint64_t word = static_cast<uint64_t>(old);
    std::memcpy(reinterpret_cast<uint8_t *>(&word) + into, bytes.data() + done, count);
    if (request(PTRACE_POKEDATA, tid_, word_at, word) != 0)
      return Error::from_errno(errno, cat("cannot write the word at ", hex(word_at)));
    done += count;
  }
  return {};
}

Result<std::optional<uint64_t>> Tracee::rseq_area() const {
  struct {
    uint64_t area;
    uint32_t area_size;
    uint32_t signature;
    uint32_t flags;
    uint32_t pad;
  } config{};
  if (::ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid_, sizeof config, &config) < 0)
    return std::optional<uint64_t>();  // a kernel without it (before 5.13) gives no way to know
  return config.area == 0 ? std::optional<uint64_t>() : std::optional<uint64_t>(config.area);
}

bool Tracee::suspend_seccomp() {
  return request(PTRACE_SETOPTIONS, tid_, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_SUSPEND_SECCOMP) == 0;
}

Result<Tracee::Waited> Tracee::run_to_syscall_stop(Deadline deadline) {
  TRY(restart(PTRACE_SYSCALL, 0));
  for (;;) {
    const Event event = TRY(wait_event(deadline));
    if (event.waited != Waited::stopped) return event.waited;
    state_ = State::stopped;
    const int signal = WSTOPSIG(event.status);
    if (event_of(event.status) == 0 && signal == (SIGTRAP | static_cast<int>(kSyscallStopMark))) return Waited::stopped;
    if (event_of(event.status) == PTRACE_EVENT_STOP) interrupt_pending_ = false;
    // Signals are blocked while we borrow a thread; one that comes all the same (SIGSTOP) is passed on.
    const bool delivery = event_of(event.status) == 0;
    TRY(restart(PTRACE_SYSCALL, delivery ? signal : 0));
  }
}

Status Tracee::restop(Deadline deadline) {
  if (state_ != State::stopped) return Error::failed(cat("thread ", tid_, " is not stopped"));
  // Asked for while it stands in a stop, the interrupt takes effect on its way back to user mode.
  if (request(PTRACE_INTERRUPT, tid_, 0, 0) != 0)
    return Error::from_errno(errno, cat("cannot interrupt thread ", tid_));
  interrupt_pending_ = true;
  TRY(restart(PTRACE_CONT, 0));
  switch (TRY(wait_stop(deadline))) {
    case Waited::stopped:
      return {};
    case Waited::gone:
      return Error::failed(cat("thread ", tid_, " is gone"));
    case Waited::late:
      break;
  }
  return Error::failed(cat("thread ", tid_, " does not stop again"));
}

Deadline spin_for_us(uint64_t us) {
  static const bool several = [] {
    cpu_set_t mine;
    CPU_ZERO(&mine);
    return ::sched_getaffinity(0, sizeof mine, &mine) != 0 || CPU_COUNT(&mine) > 1;
  }();
  return several ? Deadline::in_us(us) : Deadline{0};
}

ChildSignalBlock::ChildSignalBlock() {
  sigset_t child;
  sigset_t old;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &child, &old);
  saved_ = sigismember(&old, SIGCHLD) == 1 ? 1 : 0;
}

ChildSignalBlock::~ChildSignalBlock() {
  if (saved_ != 0) return;
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  ::pthread_sigmask(SIG_UNBLOCK, &child, nullptr);
}

}  // namespace suture
