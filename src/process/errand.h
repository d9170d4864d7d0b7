// A few system calls that a thread of the target makes for us by itself: it is stopped once, for hardly longer than any
// stop takes, given a chain of signal frames on its own stack (signal_frame.h), and let go for good. It runs the calls
// and returns to exactly where it was, whatever becomes of us meanwhile. What the calls answered is lost: callers look
// at what has changed.
#pragma once

#include <functional>
#include <optional>

#include "process/gadgets.h"
#include "process/lendable.h"
#include "process/signal_frame.h"

namespace suture {

struct ErrandCall {
  uint64_t number = 0;
  std::array<uint64_t, 6> arguments{};
  // Index of the argument that is an offset into the scratch memory, if any.
  std::optional<size_t> scratch_argument = {};
};

struct Errand {
  std::vector<ErrandCall> calls;
  Bytes scratch;  // content of some memory that the calls may read and write
  // Asked in the stop; with false the thread is let go as it was.
  std::function<bool()> still_wanted = {};
};

struct ErrandReport {
  // The scratch memory afterwards; nullopt when the thread has used that part of its stack again.
  std::optional<Bytes> scratch;
};

// nullopt when no thread is fit for it (or it is no longer wanted) and nothing was done. An error when a thread has set
// off and has not come back by the deadline; it still will.
Result<std::optional<ErrandReport>> run_errand(const Process &process, const Maps &maps, const Gadgets &gadgets,
                                               const Errand &errand, Deadline deadline);

}  // namespace suture
