// Whether a process still executes in, or returns into, memory of a patch that callers no longer get to. Callers that waited at a
// gate during the switch are still in the patch's memory then, for a moment.
#pragma once

#include <vector>

#include "apply/quiescence.h"
#include "apply/session.h"

namespace suture {

// The transaction's whole code memory, gates and all.
QuiescenceQuery memory_query(const Transaction &transaction);

// Of threads that were stopped: what looking through the process's memory has to know of them when they run again.
struct SeenThreads {
  SeenThreads(const World &world, const QuiescenceAnswer &answer);  // to memory_query()
  SeenThreads() = default;
  std::vector<RunAddr> stack_pointers;
  RunAddr thread_pointer;    // of one of them
  bool hold_memory = false;  // one has an address of the patch's memory in a register or on its stack
};

struct LeftMemory {
  bool unused = false;
  SeenThreads threads;  // when it was found to be
};

// Looks a few times, with all threads stopped for an instant each time, until none is in it nor has an address of it in hand: what
// has is often the rest of a call that the next one writes over.
Result<LeftMemory> wait_until_left(Session &session, const Transaction &transaction);

}  // namespace suture
