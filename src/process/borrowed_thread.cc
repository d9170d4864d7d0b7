#include "process/borrowed_thread.h"

#include <sys/syscall.h>

#include <algorithm>
#include <array>

#include "base/cat.h"
#include "base/fault.h"
#include "process/interrupted_call.h"

namespace suture {
namespace {

constexpr uint64_t kAllSignals = ~uint64_t{0};
constexpr uint64_t kStopPatienceMs = 50;       // for one candidate; another may be easier
constexpr uint64_t kRestorePatienceMs = 1000;  // for a few steps within the kernel
constexpr uint64_t kDirectionFlag = 0x400;

bool makes_or_ends_tasks(uint64_t number) {
  static constexpr std::array<uint64_t, 8> kMakesThreads = {SYS_clone,  SYS_fork, SYS_vfork,      SYS_clone3,
                                                            SYS_execve, SYS_exit, SYS_exit_group, SYS_execveat};
  return std::find(kMakesThreads.begin(), kMakesThreads.end(), number) != kMakesThreads.end();
}

bool is_library_of_concern(const std::string &name) {
  const std::string_view file = std::string_view(name).substr(name.rfind('/') + 1);
  for (const std::string_view prefix :
       {"libc.", "libc-", "libgcc_s", "ld-linux", "ld-", "ld.", "libpthread", "ld-musl"})
    if (file.substr(0, prefix.size()) == prefix) return true;
  return false;
}

// For calling functions: whether the thread may be in the middle of the C library's, libgcc's or the loader's own work.
std::string check_place(const std::vector<Module> &modules, const Registers &registers) {
  if (restarts_call(registers)) {
    const Whereabouts where{true,
                            static_cast<int64_t>(registers.orig_rax),
                            {registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9}};
    return may_hold_library_lock(where) ? "it may hold a lock of the C library" : "";
  }
  const Module *module = module_at(modules, RunAddr(registers.rip));
  if (module == nullptr) return "it runs code of no module";
  if (is_library_of_concern(module->name)) return "it runs inside the C library or the loader";
  return {};
}

}  // namespace

Result<BorrowedThread> BorrowedThread::borrow(const Process &process, const Maps &maps,
                                              const std::vector<Module> &modules, const Gadgets &gadgets,
                                              BorrowFor purpose, Deadline deadline) {
  constexpr timespec kBetweenPasses{0, 1000000};
  std::string why = "no thread";
  // What is in the way (a call about to end, a lock held for a moment) is mostly gone a little later.
  for (;;) {
    for (const LendCandidate &candidate : candidates(process, purpose, TRY(process.tasks()))) {
      const Result<std::string> stat = process.task_text(candidate.tid, "stat");
      const std::optional<StatFields> fields = stat ? parse_stat(*stat) : std::nullopt;
      if (!fields || fields->state == 'D' || fields->state == 'Z') {
        why = cat("thread ", candidate.tid, " is in an uninterruptible sleep or exiting");
        continue;
      }
      std::optional<BorrowedThread> out =
          TRY(try_borrow(process, maps, modules, gadgets, purpose, candidate.tid, deadline, why));
      if (out) return std::move(*out);
    }
    if (deadline.passed()) return Error::refused(cat("no thread of the process can be borrowed (", why, ")"));
    ::nanosleep(&kBetweenPasses, nullptr);
  }
}

std::string BorrowedThread::unfit(const Maps &maps, const Registers &registers) {
  return check_stack(maps, registers);
}

Result<BorrowedThread> BorrowedThread::of_stopped(const Process &process, const Gadgets &gadgets, Tracee tracee,
                                                  Deadline deadline) {
  BorrowedThread out(process, gadgets, std::move(tracee), deadline);
  out.exact_ = TRY(out.tracee_.registers());
  TRY(out.prepare());
  return out;
}

// nullopt, with the reason in `why`, when this thread does not suit.
Result<std::optional<BorrowedThread>> BorrowedThread::try_borrow(const Process &process, const Maps &maps,
                                                                 const std::vector<Module> &modules,
                                                                 const Gadgets &gadgets, BorrowFor purpose, pid_t tid,
                                                                 Deadline deadline, std::string &why) {
  std::optional<Tracee> tracee = TRY(Tracee::seize(tid));
  if (!tracee) return std::optional<BorrowedThread>();
  TRY(tracee->interrupt());
  const Tracee::Waited waited = TRY(tracee->wait_stop(Deadline::in_ms(kStopPatienceMs)));
  if (waited != Tracee::Waited::stopped) {
    why = cat("thread ", tid, " does not stop");
    return std::optional<BorrowedThread>();
  }
  BorrowedThread out(process, gadgets, std::move(*tracee), deadline);
  out.exact_ = TRY(out.tracee_.registers());
  if (hide_interruption(out.exact_)) TRY(out.tracee_.set_registers(out.exact_));
  std::string reason = check_stack(maps, out.exact_);
  if (reason.empty() && purpose == BorrowFor::function_call) reason = check_place(modules, out.exact_);
  if (!reason.empty()) {
    why = cat("thread ", tid, ": ", reason);
    return std::optional<BorrowedThread>();  // the destructor lets it go
  }
  TRY(out.prepare());
  return std::optional<BorrowedThread>(std::move(out));
}

Status BorrowedThread::prepare() {
  mask_ = TRY(tracee_.signal_mask());
  extended_ = TRY(tracee_.extended_state());
  TRY(leave_restartable_sequence(*process_, tracee_, exact_));
  frame_ = build_signal_frame(exact_, mask_, extended_, gadgets_.sigreturn);
  TRY(write_frame());
  // A seccomp filter could kill the thread for a call it never makes by itself.
  if (!tracee_.suspend_seccomp()) {
    const std::string status = TRY(process_->task_text(tracee_.tid(), "status"));
    if (status_number(status, "Seccomp").value_or(0) != 0)
      return Error::refused("the process is confined by seccomp, which can be suspended only with CAP_SYS_ADMIN");
  }
  fault_point("borrow-frame");
  return {};
}

Status BorrowedThread::write_frame() {
  if (process_->write(frame_.at, frame_.bytes)) return {};
  return tracee_.poke(frame_.at, frame_.bytes);
}

// Order matters for a tool that dies in between: with the new registers the thread runs the call and then restores
// itself, mask included; blocking signals before that could leave them blocked.
Status BorrowedThread::enter(const Registers &registers) {
  const bool first = !entered_;
  entered_ = true;
  TRY(tracee_.set_registers(registers));
  fault_point("borrow-registers");
  if (first) TRY(tracee_.set_signal_mask(kAllSignals));
  fault_point("borrow-mask");
  return {};
}

Result<int64_t> BorrowedThread::syscall(uint64_t number, const std::array<uint64_t, 6> &arguments) {
  Registers registers = exact_;
  registers.rip = gadgets_.syscall_ret.value;
  registers.rsp = frame_.at.value;
  registers.rax = number;
  registers.orig_rax = static_cast<unsigned long long>(kNotInSyscall);
  registers.rdi = arguments[0];
  registers.rsi = arguments[1];
  registers.rdx = arguments[2];
  registers.r10 = arguments[3];
  registers.r8 = arguments[4];
  registers.r9 = arguments[5];
  TRY(enter(registers));
  for (const char *point : {"borrow-call-entry", "borrow-call-exit"}) {
    const Tracee::Waited waited = TRY(tracee_.run_to_syscall_stop(deadline_));
    if (waited == Tracee::Waited::gone) return Error::failed("the process went away during a borrowed call");
    if (waited == Tracee::Waited::late)
      return Error::refused(cat("thread ", tid(), " gets no processor time (frozen, or the machine is overloaded)"));
    fault_point(point);
  }
  const Registers after = TRY(tracee_.registers());
  return static_cast<int64_t>(after.rax);
}

Status BorrowedThread::start(RunAddr function, uint64_t first, uint64_t second) {
  Registers registers = exact_;
  registers.rip = function.value;
  registers.rsp = frame_.at.value;
  registers.rax = 0;
  registers.orig_rax = static_cast<unsigned long long>(kNotInSyscall);
  registers.rdi = first;
  registers.rsi = second;
  registers.eflags &= ~kDirectionFlag;
  vectors_touched_ = true;
  return enter(registers);
}

Status BorrowedThread::call(RunAddr function, uint64_t first, uint64_t second) {
  TRY(start(function, first, second));
  // The function may make system calls of its own (a contended lock, memory); it is done when the thread enters
  // rt_sigreturn with the frame we built, and restored when it leaves it.
  for (;;) {
    const Tracee::Waited waited = TRY(tracee_.run_to_syscall_stop(deadline_));
    if (waited == Tracee::Waited::gone) return Error::failed("the process went away during a borrowed call");
    if (waited == Tracee::Waited::late)
      return Error::refused(cat("a function of the process borrowed on thread ", tid(), " does not return"));
    const Registers now = TRY(tracee_.registers());
    if (now.orig_rax == SYS_rt_sigreturn && now.rsp == frame_.at.value + 8) break;
  }
  return end_call(deadline_);
}

// From the entry of rt_sigreturn.
Status BorrowedThread::end_call(Deadline deadline) {
  fault_point("borrow-function-returned");
  const Tracee::Waited waited = TRY(tracee_.run_to_syscall_stop(deadline));
  if (waited != Tracee::Waited::stopped) return Error::failed("the process went away during a borrowed call");
  // The frame is used up: the next call needs it, and its masked signals, again.
  TRY(write_frame());
  restart_anew(exact_);
  TRY(tracee_.set_registers(exact_));
  entered_ = false;
  fault_point("borrow-function-restored");
  return {};
}

Status BorrowedThread::start_contained(RunAddr function, uint64_t first, uint64_t second) {
  in_kernel_ = false;
  return start(function, first, second);
}

Result<BorrowedThread::Finished> BorrowedThread::finish_contained(Deadline deadline) {
  for (;;) {
    const Tracee::Waited waited = TRY(tracee_.run_to_syscall_stop(deadline));
    if (waited == Tracee::Waited::gone) return Error::failed("the process went away during a borrowed call");
    if (waited == Tracee::Waited::late) return Finished::late;
    in_kernel_ = !in_kernel_;
    Registers now = TRY(tracee_.registers());
    if (now.orig_rax == SYS_rt_sigreturn && now.rsp == frame_.at.value + 8) break;
    if (!in_kernel_ || !makes_or_ends_tasks(now.orig_rax)) continue;
    now.orig_rax = static_cast<unsigned long long>(kNotInSyscall);  // the kernel passes over it and answers ENOSYS
    TRY(tracee_.set_registers(now));
  }
  TRY(end_call(Deadline::in_ms(kRestorePatienceMs)));
  return Finished::yes;
}

Result<RunAddr> BorrowedThread::put_text(std::string_view text) {
  Bytes bytes(as_bytes(text).begin(), as_bytes(text).end());
  bytes.push_back(0);
  if (bytes.size() > kScratchBytes) return Error::refused("a text is too long for the borrowed stack");
  if (!process_->write(frame_.scratch, bytes)) TRY(tracee_.poke(frame_.scratch, bytes));
  return frame_.scratch;
}

Status BorrowedThread::restore() {
  if (tracee_.state() != Tracee::State::stopped) return Error::failed("the borrowed thread is gone");
  if (entered_) {
    TRY(tracee_.set_signal_mask(mask_));
    fault_point("give-back-mask");
  }
  if (entered_ || vectors_touched_) TRY(tracee_.set_registers(exact_));
  fault_point("give-back-registers");
  if (vectors_touched_) TRY(tracee_.set_extended_state(extended_));
  entered_ = false;
  return {};
}

Result<Tracee> BorrowedThread::keep_stopped() && {
  TRY(restore());
  TRY(tracee_.restop(Deadline::in_ms(kRestorePatienceMs)));
  return std::move(tracee_);
}

Status BorrowedThread::give_back() && {
  TRY(restore());
  TRY(tracee_.detach());
  fault_point("give-back-detached");
  return {};
}

BorrowedThread::~BorrowedThread() {
  if (tracee_.state() != Tracee::State::stopped) return;
  (void)std::move(*this).give_back();  // the frame on its stack restores it if this fails half way
}

}  // namespace suture
