// Whether a process still executes in, or returns into, memory of a patch that callers no longer get to. Callers that waited at a
// gate during the switch are still in the patch's memory then, for a moment.
#pragma once

#include <vector>

#include "apply/quiescence.h"
#include "apply/session.h"

namespace suture {

// The transaction's whole code memory, gates and all.
QuiescenceQuery memory_query(const Transaction &transaction);

struct LeftMemory {
  bool unused = false;
  std::vector<RunAddr> stack_pointers;  // of all threads, when it was found to be
};

// Looks a few times, with all threads stopped for an instant each time.
Result<LeftMemory> wait_until_left(Session &session, const Transaction &transaction);

}  // namespace suture
