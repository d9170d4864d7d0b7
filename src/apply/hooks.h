// Runs an author's hooks (include/suture/patch.h) in the target while all of its threads are stopped: one thread of it
// is borrowed, runs them through the patch's own runner and is as it was afterwards. The runner counts in the target's
// memory, so any later run knows which hooks have been entered, also when this one is killed in the middle: the thread
// then finishes the hook by itself.
#pragma once

#include <array>
#include <string>

#include "apply/session.h"
#include "process/world.h"

namespace suture {

// What the patch's runner has noted of one kind of hooks.
struct HookCount {
  uint32_t begun = 0;
  uint32_t done = 0;
  int32_t refusal = 0;
  uint32_t unused = 0;
};
static_assert(sizeof(HookCount) == kHookCountBytes);

size_t hook_count(const Record &unit, Hook::Kind kind);
Result<HookCount> read_hook_count(const Process &process, const Record &unit, Hook::Kind kind);

// Something that an interrupted run left to be done although all redirects and states say otherwise: hooks after an
// apply that were not run, or a revert that was begun by its hooks.
enum class HookDebt { none, finish_apply, finish_revert };
// Whether the data with the counts is unmapped already.
bool counts_are_gone(const Process &process, const Transaction &transaction);
Result<HookDebt> read_hook_debt(const Process &process, const Transaction &transaction);

// The hooks of one transaction around one switch.
class HookRunner {
 public:
  HookRunner(Session &session, World &world, const Transaction &transaction)
      : session_(session), world_(world), transaction_(transaction) {}

  // Before the stop, for what takes time.
  Status prepare();
  // With the world stopped: whether a hook that an earlier run began is still being executed.
  Result<bool> still_running() const;
  // Refused when a hook refuses or does not return in time; nothing is switched then. In the latter case the process
  // runs again.
  Status before_switch(Version to, const EntryReport &entries);
  // The same after the switch. Refused when a post-apply hook refuses: the caller switches back.
  Status after_switch(Version to);
  // What the operator should know of hooks that may not refuse any more.
  const std::string &note() const { return note_; }

 private:
  bool any() const;
  Status run_all(Hook::Kind kind);
  Status run_one(const Record &unit, const RecordHook &hook);
  Status let_go_on(BorrowedThread thread, const std::string &what);
  Result<pid_t> choose_thread() const;
  Status forget_refusal(Hook::Kind kind);

  Session &session_;
  World &world_;
  const Transaction &transaction_;
  std::string note_;
  bool gone_ = false;           // the patch's data, with the counts
  bool was_in_effect_ = false;  // the new code, ever
};

}  // namespace suture
