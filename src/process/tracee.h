// One thread attached by PTRACE_SEIZE. The only file pair that calls ptrace(2); everything here must run on the thread
// that seized. A stopped thread is always let go from a ptrace-stop with its exact registers: the kernel then restarts
// the system call it was in by itself. (Moving rip back by hand hides signals; a plain continue from a syscall-stop
// leaks -512 into the program.)
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "model/address.h"
#include "process/deadline.h"

namespace suture {

inline constexpr size_t kMaxExtendedState = 64 << 10;

using Registers = user_regs_struct;

class Tracee {
 public:
  enum class State { running, stopped, listening, gone };
  enum class Waited { stopped, gone, late };

  // Attaches without stopping. nullopt when the thread is gone meanwhile.
  static Result<std::optional<Tracee>> seize(pid_t tid);
  Tracee(Tracee &&other) noexcept;
  Tracee &operator=(Tracee &&other) noexcept;
  ~Tracee();  // detaches (stops it first when it runs)

  pid_t tid() const { return tid_; }
  State state() const { return state_; }
  // Stopped by a job-control signal (SIGSTOP and friends) and to stay so.
  bool in_group_stop() const { return group_stop_; }
  // Asked to stop and not seen stopped yet.
  bool owes_a_stop() const { return interrupt_pending_ && state_ != State::stopped; }

  Status interrupt();
  // Until the stop asked for by interrupt(); signals on their way are delivered, once.
  // Until `spin` it keeps asking without sleeping.
  Result<Waited> wait_stop(Deadline deadline, Deadline spin = Deadline{0});
  // Lets a stopped thread go on but stays attached.
  Status resume();
  // Lets it go on and off the leash.
  Status detach();

  Result<Registers> registers() const;
  Status set_registers(const Registers &registers);
  Result<uint64_t> signal_mask() const;
  Status set_signal_mask(uint64_t mask);
  Result<Bytes> extended_state() const;  // NT_X86_XSTATE
  // The same into memory that is there already; the number of bytes.
  Result<size_t> extended_state(std::span<uint8_t> out) const;
  // Whether a seccomp filter watches the thread; nullopt when we may not know.
  std::optional<bool> has_seccomp_filter() const;
  Status set_extended_state(ByteView state);
  // Writes through PTRACE_POKEDATA, for systems where the memory descriptor may not.
  Status poke(RunAddr at, ByteView bytes);
  // Address of the abort handler when the thread is inside a restartable sequence that `pc` is part of. `read` reads
  // the target's memory.
  Result<std::optional<uint64_t>> rseq_area() const;

  // System calls pass seccomp filters unseen while attached. False when we may not ask for that.
  bool suspend_seccomp();
  // From any stop to the one that an interrupt makes, without an instruction of the thread in between. Only from there
  // does letting go on restart the system call that its registers name.
  Status restop(Deadline deadline);
  // Runs to the next system call entry or exit. Other stops on the way are absorbed.
  Result<Waited> run_to_syscall_stop(Deadline deadline);

 private:
  explicit Tracee(pid_t tid) : tid_(tid), state_(State::running) {}
  struct Event {
    int status = 0;
    Waited waited = Waited::late;
  };
  Result<Event> wait_event(Deadline deadline, Deadline spin = Deadline{0});
  Status restart(int request, int signal);

  pid_t tid_ = 0;
  State state_ = State::gone;
  bool group_stop_ = false;
  bool interrupt_pending_ = false;
};

// For Tracee::wait_stop: not at all where the thread waited for would need the one processor that we have.
Deadline spin_for_us(uint64_t us);

// While it lives, stops of tracees are waited for through a blocked SIGCHLD, which is what lets a wait have a deadline.
class ChildSignalBlock {
 public:
  ChildSignalBlock();
  ~ChildSignalBlock();
  ChildSignalBlock(const ChildSignalBlock &) = delete;
  ChildSignalBlock &operator=(const ChildSignalBlock &) = delete;

 private:
  uint64_t saved_ = 0;
};

}  // namespace suture
