// All threads of a process (and of others that share its memory), stopped together. Attach early with seize_all(),
// which disturbs nobody; stop() then returns with every thread stopped, whatever threads are born meanwhile, or undoes
// itself at the deadline. Must be used from one thread only: ptrace is bound to the thread that seized.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "process/process.h"
#include "process/tracee.h"

namespace suture {

struct StoppedThread {
  pid_t tid = 0;
  Registers registers{};
};

class World {
 public:
  // `sharers`: other processes with the same memory.
  World(const Process &process, std::vector<Process> sharers);
  World(const World &) = delete;
  World &operator=(const World &) = delete;
  ~World();

  Status seize_all();
  // The first half of a stop: stops the threads that sleep in the kernel, which notice nothing of it, while all others
  // still run. What they left on their stacks does not change any more, so it can be looked at before anybody is kept
  // from working. May be left out. Fails as stop() does.
  Status stop_sleepers(Deadline deadline);
  // Stops everybody else, last of all those that were running. Refused when some thread does not stop by the deadline
  // (named); everyone runs again then.
  Status stop(Deadline deadline);
  // Everyone goes on, still attached, ready for another stop().
  Status resume();
  // The same for all but these, which stay stopped until the next stop(), resume() or release().
  Status resume_except(const std::vector<pid_t> &kept);
  // Waits while the process runs. A thread that was too late for the last stop is let go as soon as it arrives.
  Status wait_running(Deadline until);
  // Everyone goes on, detached.
  Status release();

  bool stopped() const { return stopped_; }
  // Those stopped by stop_sleepers(), then, behind them, those stopped by stop().
  const std::vector<StoppedThread> &threads() const { return snapshot_; }
  Tracee *any_stopped();
  // A stopped thread of threads(), to be used alone while the others stay as they are; taken back, it is one of them
  // again. One that is not taken back is found again by the next stop().
  Tracee lend(pid_t tid);
  void take(Tracee tracee);
  // Nanoseconds from the first interrupt to the end of the last resume() or release().
  uint64_t last_stop_ns() const { return last_stop_ns_; }
  size_t thread_count() const { return tracees_.size(); }

 private:
  Result<size_t> seize_new();
  Status begin_stop();
  Status stop_all(Deadline deadline);
  Status stop_threads(const std::vector<pid_t> &tids, Deadline deadline, Deadline spin);
  Status take_registers(Tracee &tracee);
  std::vector<pid_t> sleepers() const;
  std::vector<pid_t> running() const;
  bool nobody_new() const;
  Status give_up_stop(Status why);
  template <typename LetGo>
  Status for_each_awake_first(LetGo let_go);

  const Process &process_;
  std::vector<Process> sharers_;
  std::map<pid_t, Tracee> tracees_;
  std::vector<StoppedThread> snapshot_;
  size_t sleeper_count_ = 0;  // of the snapshot
  bool stopped_ = false;
  uint64_t stop_began_ns_ = 0;
  uint64_t last_stop_ns_ = 0;
};

// Real-time priority while a world is stopped: without it, spinning targets and their neighbours starve the tracer
// (measured: 5.5 s for 1,000 spinning threads). Does nothing where not permitted; the destructor restores.
class RealTimePriority {
 public:
  RealTimePriority();
  ~RealTimePriority();
  RealTimePriority(const RealTimePriority &) = delete;
  RealTimePriority &operator=(const RealTimePriority &) = delete;

 private:
  bool raised_ = false;
  int old_policy_ = 0;
  int old_priority_ = 0;
};

}  // namespace suture
