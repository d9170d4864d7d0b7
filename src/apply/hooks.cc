#include "apply/hooks.h"

#include <algorithm>

#include "base/cat.h"
#include "base/fault.h"
#include "process/borrowed_thread.h"
#include "process/interrupted_call.h"

namespace suture {
namespace {

using Kind = Hook::Kind;

// Of one hook, with everybody stopped; and then among running threads, where a lock that it waited for may be let go.
constexpr uint64_t kStoppedPatienceMs = 1000;
constexpr uint64_t kRunningPatienceMs = 3000;

RunAddr count_address(const Record &unit, Kind kind) {
  return unit.hook_counts + static_cast<uint64_t>(kind) * kHookCountBytes;
}

bool may_refuse(Kind kind) {
  return kind != Kind::post_revert;
}

}  // namespace

size_t hook_count(const Record &unit, Kind kind) {
  return static_cast<size_t>(
      std::count_if(unit.hooks.begin(), unit.hooks.end(), [&](const RecordHook &hook) { return hook.kind == kind; }));
}

Result<HookCount> read_hook_count(const Process &process, const Record &unit, Kind kind) {
  if (unit.hooks.empty()) return HookCount{};
  return process.read_value<HookCount>(count_address(unit, kind));
}

// A run that died while it unmapped the patch may have come as far as its data: by then all its hooks had run.
bool counts_are_gone(const Process &process, const Transaction &transaction) {
  return std::any_of(transaction.units.begin(), transaction.units.end(), [&](const Record &unit) {
    return !read_hook_count(process, unit, Kind::pre_apply).has_value();
  });
}

Result<HookDebt> read_hook_debt(const Process &process, const Transaction &transaction) {
  HookDebt debt = HookDebt::none;
  if (counts_are_gone(process, transaction)) return debt;
  for (const Record &unit : transaction.units) {
    const HookCount revert = TRY(read_hook_count(process, unit, Kind::pre_revert));
    if (revert.begun != 0 && revert.refusal == 0) return HookDebt::finish_revert;
    const HookCount apply = TRY(read_hook_count(process, unit, Kind::post_apply));
    if (apply.done < hook_count(unit, Kind::post_apply) || apply.refusal != 0) debt = HookDebt::finish_apply;
  }
  return debt;
}

bool HookRunner::any() const {
  return !gone_ && std::any_of(transaction_.units.begin(), transaction_.units.end(),
                               [](const Record &unit) { return !unit.hooks.empty(); });
}

Status HookRunner::prepare() {
  gone_ = counts_are_gone(session_.process, transaction_);
  if (any() && !session_.gadgets) session_.gadgets = TRY(find_gadgets(session_.process, session_.maps));
  return {};
}

Result<bool> HookRunner::still_running() const {
  if (!any()) return false;
  for (const Record &unit : transaction_.units)
    for (const Kind kind : {Kind::pre_apply, Kind::post_apply, Kind::pre_revert, Kind::post_revert}) {
      const HookCount count = TRY(read_hook_count(session_.process, unit, kind));
      if (count.begun != count.done) return true;
    }
  return false;
}

// A revert that was refused before asks its hooks anew.
Status HookRunner::forget_refusal(Kind kind) {
  bool refused = false;
  for (const Record &unit : transaction_.units)
    refused = refused || TRY(read_hook_count(session_.process, unit, kind)).refusal != 0;
  if (!refused) return {};
  const std::array<uint8_t, kHookCountBytes> zeros{};
  for (const Record &unit : transaction_.units)
    if (!unit.hooks.empty()) TRY(session_.process.write(count_address(unit, kind), zeros));
  return {};
}

Status HookRunner::before_switch(Version to, const EntryReport &entries) {
  was_in_effect_ = entries.in_effect == Version::new_code ||
                   std::any_of(entries.states.begin(), entries.states.end(),
                               [](RecordState state) { return state != RecordState::loaded; });
  if (to == entries.in_effect || !any()) return {};  // a finishing touch, or the removal of what was only loaded
  if (to == Version::new_code) return run_all(Kind::pre_apply);
  TRY(forget_refusal(Kind::pre_revert));
  return run_all(Kind::pre_revert);
}

Status HookRunner::after_switch(Version to) {
  if (!any()) return {};
  if (to == Version::new_code) return run_all(Kind::post_apply);
  // There may be something of pre-apply to undo although the new code never was in effect.
  bool begun = was_in_effect_;
  for (const Record &unit : transaction_.units)
    begun = begun || TRY(read_hook_count(session_.process, unit, Kind::pre_apply)).begun != 0;
  return begun ? run_all(Kind::post_revert) : Status();
}

// Those that an earlier run has entered are not entered again; a refusal that it did not live to see counts all the
// same.
Status HookRunner::run_all(Kind kind) {
  for (const Record &unit : transaction_.units) {
    size_t passed = TRY(read_hook_count(session_.process, unit, kind)).begun;
    for (const RecordHook &hook : unit.hooks) {
      if (hook.kind != kind) continue;
      if (passed > 0) {
        --passed;
        continue;
      }
      TRY(run_one(unit, hook));
    }
    const HookCount count = TRY(read_hook_count(session_.process, unit, kind));
    if (count.refusal == 0) continue;
    const std::string what = cat("a ", name_of(kind), " hook of ", unit.patch_id, " returned ", count.refusal);
    if (may_refuse(kind)) return Error::refused(what);
    if (note_.empty()) note_ = what;
  }
  return {};
}

Result<pid_t> HookRunner::choose_thread() const {
  std::string why = "there is none";
  // One that waits for the rest of its time would wait for all of it again.
  for (const bool timed : {false, true})
    for (const StoppedThread &thread : world_.threads()) {
      // Sharers of the memory are stopped too, but are other processes.
      if (restarts_with_time_left(thread.registers) != timed || !session_.process.task_text(thread.tid, "stat")) continue;
      why = BorrowedThread::unfit(session_.maps, thread.registers);
      if (why.empty()) return thread.tid;
    }
  return Error::refused(cat("no thread of the process can run the patch's hooks (", why, ")"));
}

Status HookRunner::run_one(const Record &unit, const RecordHook &hook) {
  const std::string what = cat("the ", name_of(hook.kind), " hook ", hook.name, " of ", unit.patch_id);
  const pid_t tid = TRY(choose_thread());
  const Deadline deadline = Deadline::in_ms(kStoppedPatienceMs);
  BorrowedThread thread =
      TRY(BorrowedThread::of_stopped(session_.process, *session_.gadgets, world_.lend(tid), deadline));
  fault_point("hook-prepared");
  TRY_WHILE(thread.start_contained(unit.hook_runner, count_address(unit, hook.kind).value, hook.function.value), what);
  fault_point("hook-started");
  const BorrowedThread::Finished finished = TRY_WHILE(thread.finish_contained(deadline), what);
  if (finished == BorrowedThread::Finished::late) return let_go_on(std::move(thread), what);
  fault_point("hook-finished");
  world_.take(TRY(std::move(thread).keep_stopped()));
  fault_point("hook-thread-back");
  const HookCount count = TRY(read_hook_count(session_.process, unit, hook.kind));
  if (count.refusal == 0) return {};
  const std::string refusal = cat(what, " returned ", count.refusal);
  if (may_refuse(hook.kind)) return Error::refused(refusal);
  note_ = refusal;
  return {};
}

// Most likely it waits for something that a stopped thread has. Cutting it off could leave its own locks held for ever,
// so the others are let go too; what happens now is the same as when the tool is killed.
Status HookRunner::let_go_on(BorrowedThread thread, const std::string &what) {
  TRY(world_.resume());
  const Result<BorrowedThread::Finished> later = thread.finish_contained(Deadline::in_ms(kRunningPatienceMs));
  const bool returned = later && *later == BorrowedThread::Finished::yes;
  std::string text =
      cat(what, " did not return within ", kStoppedPatienceMs, " ms while all other threads were stopped");
  if (returned)
    text += "; let go on among them, it returned";
  else
    text += cat("; it was let go on among them and is still running on thread ", thread.tid());
  if (returned) TRY(std::move(thread).give_back());
  // From here on the destructor lets the thread go where it is; the frame on its stack leads it back.
  if (!later) return later.error();
  return Error::refused(std::move(text));
}

}  // namespace suture
