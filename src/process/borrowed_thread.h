// One thread of the target, borrowed to run a system call or a function for us. A signal frame on its own stack stands
// ready from before the first change, so it finds its way back by itself if the tool is killed at any point; given back
// in order, it gets its exact registers and restarts the system call it was in.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "process/gadgets.h"
#include "process/lendable.h"
#include "process/modules.h"
#include "process/process.h"
#include "process/signal_frame.h"
#include "process/tracee.h"

namespace suture {

class BorrowedThread {
 public:
  // Stops the best suited thread. Refused, naming the reasons, when none is.
  static Result<BorrowedThread> borrow(const Process &process, const Maps &maps, const std::vector<Module> &modules,
                                       const Gadgets &gadgets, BorrowFor purpose, Deadline deadline);
  // One that is stopped already, with all others: World::lend(). It must be fit.
  static Result<BorrowedThread> of_stopped(const Process &process, const Gadgets &gadgets, Tracee tracee,
                                           Deadline deadline);
  // Whether its stack suits; else why not.
  static std::string unfit(const Maps &maps, const Registers &registers);
  BorrowedThread(BorrowedThread &&) = default;
  BorrowedThread &operator=(BorrowedThread &&) = delete;
  ~BorrowedThread();

  // The call's result; a negative errno when it failed.
  Result<int64_t> syscall(uint64_t number, const std::array<uint64_t, 6> &arguments);
  // Calls a function of the target with two arguments and lets it finish.
  Status call(RunAddr function, uint64_t first, uint64_t second);
  // The same in two steps, for a function that may not return in time and must not do everything: system calls that
  // make or end processes and threads are answered with ENOSYS.
  enum class Finished { yes, late };
  Status start_contained(RunAddr function, uint64_t first, uint64_t second);
  // May be asked again after `late`: the thread is in the function meanwhile. Dropped then, it goes on and restores
  // itself.
  Result<Finished> finish_contained(Deadline deadline);
  // Puts a text (at most kScratchBytes - 1) where calls can point at it.
  Result<RunAddr> put_text(std::string_view text);
  // For systems that do not let the memory descriptor write.
  Status poke(RunAddr at, ByteView bytes) { return tracee_.poke(at, bytes); }
  pid_t tid() const { return tracee_.tid(); }

  Status give_back() &&;
  // As it was, but still stopped.
  Result<Tracee> keep_stopped() &&;

 private:
  BorrowedThread(const Process &process, const Gadgets &gadgets, Tracee tracee, Deadline deadline)
      : process_(&process), gadgets_(gadgets), tracee_(std::move(tracee)), deadline_(deadline) {}
  static Result<std::optional<BorrowedThread>> try_borrow(const Process &process, const Maps &maps,
                                                          const std::vector<Module> &modules, const Gadgets &gadgets,
                                                          BorrowFor purpose, pid_t tid, Deadline deadline,
                                                          std::string &why);
  Status prepare();
  Status enter(const Registers &registers);
  Status start(RunAddr function, uint64_t first, uint64_t second);
  Status end_call(Deadline deadline);
  Status restore();
  Status write_frame();

  const Process *process_;
  Gadgets gadgets_;
  Tracee tracee_;
  Deadline deadline_;
  Registers exact_{};
  uint64_t mask_ = 0;
  Bytes extended_;
  SignalFrame frame_;
  bool entered_ = false;  // registers or signal mask differ from the thread's own
  bool vectors_touched_ = false;
  bool in_kernel_ = false;  // of a contained function: at a system call's entry
};

}  // namespace suture
