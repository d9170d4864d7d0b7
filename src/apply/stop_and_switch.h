// Stops the process at an instant when no thread is in, or will return into, the code that is to be left, and switches.
// When there is no such instant (a function hot on every thread), callers are made to wait at gates for some
// milliseconds while the threads inside run to their return; no single-stepping (a tool killed meanwhile would leave
// the trap flag set, which kills the target) and no breakpoints (for the same reason).
#pragma once

#include "apply/leave_memory.h"
#include "apply/session.h"

namespace suture {

struct SwitchOptions {
  uint64_t timeout_ms = 10000;
};

struct SwitchReport {
  uint64_t stop_us = 0;  // of the final stop
  unsigned attempts = 0;
  std::string note;                     // of hooks that could not refuse any more
  SeenThreads threads;   // in the final stop
  bool memory_is_unused = false;  // to old code: nothing executes in, or returns into, the patch's memory any more
};

// Refused at the deadline, naming thread and function; then everything is as before (gates taken out again).
Result<SwitchReport> stop_and_switch(Session &session, const Transaction &transaction, Version version,
                                     const SwitchOptions &options);

}  // namespace suture
