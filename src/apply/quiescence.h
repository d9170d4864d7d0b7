// Whether every stopped thread is out of some code: no PC in it, no return address into it. The conservative scan of
// stack words is the rule; precise unwinding is what tells a live return from a stale word. Signal frames found by the
// scan lead to the stacks they interrupted.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apply/record.h"
#include "process/modules.h"
#include "process/world.h"
#include "unwind/unwinder.h"

namespace suture {

// Code that threads must have left.
struct WatchedRange {
  RunRange range;
  size_t function = 0;  // index into names
  // A thread about to execute this very address has not begun (or is at a gate), so it is outside.
  bool begin_is_outside = false;
  RunAddr also_outside;  // the redirect's site, where it is not the begin
};

// A record whose gates may hold threads.
struct WatchedGates {
  const Record *record = nullptr;
  size_t first_name = 0;  // of its functions, which are named in their order
};

struct QuiescenceQuery {
  std::vector<WatchedRange> ranges;
  std::vector<std::string> names;
  std::vector<RunRange> overwritten;  // bytes behind the first of each redirect: no thread may resume in them
  std::vector<WatchedGates> gates;
  std::vector<RunRange> memory;       // whether a thread has an address of it in hand is asked, too
};

struct ThreadInside {
  pid_t tid = 0;
  size_t function = 0;   // the outermost that it is in
  bool blocked = false;  // in a system call
  // Where on its stack the calls have their return addresses that it makes before it is out; size 0: not known.
  RunRange nested_calls;
  std::optional<size_t> held_at;  // at the gate of this function (an index into names), by a call that is none of those
};

struct QuiescenceAnswer {
  std::vector<ThreadInside> inside;
  std::vector<pid_t> at_gates;       // waiting there, and not inside
  bool overwritten_is_clear = true;  // redirects can be written without disturbing anyone
  // A register or a word of a stack is such an address, and not just what a call left there: what it leads to may be used yet.
  bool memory_is_held = false;
};

class QuiescenceChecker {
 public:
  QuiescenceChecker(const Process &process, const std::vector<Module> &modules,
                    const std::vector<FoundRecord> &records);
  ~QuiescenceChecker();
  // Reads indexes ahead of all stops.
  void prepare(const QuiescenceQuery &query);
  // Ahead of one stop: arranges the question and the map. Both must outlive the answer.
  void begin(const QuiescenceQuery &query, const Maps &maps);
  // Looks at the threads that are stopped so far (World::stop_sleepers): what those have on their stacks stays. What is
  // not understood is left to check().
  void look_ahead(const World &world);
  // With all threads stopped; asks what begin() arranged. `maps` is read again where it turns out to be too old.
  Result<QuiescenceAnswer> check(const World &world, Maps &maps);
  // All of it at once, for another question.
  Result<QuiescenceAnswer> check(const World &world, const QuiescenceQuery &query, Maps &maps);

 private:
  class Check;
  const Process &process_;
  FrameTables tables_;
  const QuiescenceQuery *query_ = nullptr;
  std::unique_ptr<Check> check_;
};

}  // namespace suture
