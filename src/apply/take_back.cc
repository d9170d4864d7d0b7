#include "apply/take_back.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "apply/held_pointers.h"
#include "apply/hooks.h"
#include "apply/leave_memory.h"
#include "apply/shadow.h"
#include "apply/target_memory.h"
#include "base/cat.h"
#include "base/fault.h"
#include "process/symbols.h"

namespace suture {
namespace {

// What an unwinder that has the patch's code was given for it; none where it was never told of the code, or has forgotten it: ours is
// zero then.
std::optional<UnwindObject> registered_object(const Session &session, RunAddr at) {
  if (at.value == 0) return std::nullopt;
  const Result<UnwindObject> object = session.process.read_value<UnwindObject>(at);
  const bool registered = object && std::any_of(object->libgcc.begin(), object->libgcc.end(), [](uint64_t word) { return word != 0; });
  return registered ? std::optional(*object) : std::nullopt;
}

bool is_registered(const Session &session, RunAddr unwind_object) { return registered_object(session, unwind_object).has_value(); }

// A run died between telling and clearing: whether the unwinder still has the patch's code cannot be known.
bool may_be_forgotten(const Session &session, RunAddr unwind_object) {
  const std::optional<UnwindObject> object = registered_object(session, unwind_object);
  return object && object->forgetting != 0;
}

bool may_be_forgotten(const Session &session, const Transaction &transaction) {
  return std::any_of(transaction.units.begin(), transaction.units.end(), [&](const Record &unit) {
    return may_be_forgotten(session, unit.unwind_object) || may_be_forgotten(session, unit.own_unwind.object);
  });
}

Status forget(Session &session, BorrowedThread &thread, RunAddr remove, RunRange eh_frame, RunAddr unwind_object) {
  const std::array<uint8_t, sizeof(UnwindObject::forgetting)> mark{1};
  TRY(write_or_poke(session.process, thread, unwind_object + offsetof(UnwindObject, forgetting), mark));
  fault_point("release-unwind-marked");
  TRY(thread.call(remove, eh_frame.begin.value, 0));
  const std::array<uint8_t, sizeof(UnwindObject)> zeros{};
  return write_or_poke(session.process, thread, unwind_object, zeros);
}

Status forget_unwind(Session &session, BorrowedThread &thread, const Record &unit) {
  if (is_registered(session, unit.own_unwind.object))
    TRY(forget(session, thread, unit.own_unwind.remove, unit.eh_frame, unit.own_unwind.object));
  if (!is_registered(session, unit.unwind_object)) return {};
  const std::optional<RunAddr> function =
      TRY(find_symbol(session.process, session.modules, session.loader, {"__deregister_frame_info", ""}));
  if (!function) return Error::failed("libgcc is gone from the process");
  return forget(session, thread, *function, unit.eh_frame, unit.unwind_object);
}

bool any_unwind_is_registered(const Session &session, const Transaction &transaction) {
  return std::any_of(transaction.units.begin(), transaction.units.end(), [&](const Record &unit) {
    return is_registered(session, unit.unwind_object) || is_registered(session, unit.own_unwind.object);
  });
}

// Takes back what was registered with libgcc.
Status forget_unwind(Session &session, const Transaction &transaction) {
  if (!any_unwind_is_registered(session, transaction)) return {};
  if (!session.loader) session.loader = TRY(find_loader(session.process, session.modules));
  const ChildSignalBlock signals;
  BorrowedThread thread = TRY(session.borrow(BorrowFor::function_call));
  for (const Record &unit : transaction.units) TRY(forget_unwind(session, thread, unit));
  fault_point("release-unwind");
  return std::move(thread).give_back();
}

Status tidy_orphans(Session &session) {
  const std::vector<RunRange> orphans = find_orphans(session.maps, session.records);
  if (orphans.empty() && !has_left_files(session.process)) return {};
  const ChildSignalBlock signals;
  BorrowedThread thread = TRY(session.borrow(BorrowFor::syscalls));
  for (const RunRange &range : orphans) TRY(unmap_range(thread, range));
  TRY(close_left_files(session.process, thread));
  TRY(std::move(thread).give_back());
  return session.refresh();
}

bool is_kept(const Session &session, const Transaction &transaction) {
  const Result<uint64_t> flags =
      session.process.read_value<uint64_t>(transaction.units.front().code.begin + kFlagsOffset);
  return flags && (*flags & kFlagKept) != 0;
}

// Best effort: without the mark the next run only looks again.
void mark_kept(const Session &session, const Transaction &transaction) {
  const RunAddr at = transaction.units.front().code.begin + kFlagsOffset;
  const Result<uint64_t> flags = session.process.read_value<uint64_t>(at);
  if (!flags) return;
  const uint64_t kept = *flags | kFlagKept;
  (void)session.process.write(at, {reinterpret_cast<const uint8_t *>(&kept), sizeof kept});
}

bool is_complete(const Transaction &transaction) {
  return transaction.units.size() == transaction.units.front().unit_count && transaction.units.front().unit == 0;
}

Status repair_one(Session &session, const Transaction &transaction, const SwitchOptions &options) {
  if (!is_complete(transaction)) return release_memory(session, transaction);
  // Its entries are another's now, and that one's journal leads back to it.
  if (covered_by(session, transaction)) return {};
  const EntryReport entries = TRY(read_entries(session.process, transaction));
  if (entries.any_is(EntryState::foreign)) return {};  // covered by a later patch, or by somebody else's
  const auto all_states = [&](RecordState state) {
    return std::all_of(entries.states.begin(), entries.states.end(), [&](RecordState s) { return s == state; });
  };
  const HookDebt debt = TRY(read_hook_debt(session.process, transaction));
  if (entries.all_are(EntryState::new_code) && all_states(RecordState::applied) && debt == HookDebt::none) return {};
  if (entries.all_are(EntryState::old_code) && all_states(RecordState::reverted) && is_kept(session, transaction))
    return {};
  std::string note;
  if (entries.in_effect == Version::old_code || debt == HookDebt::finish_revert) {
    (void)TRY(take_back(session, transaction, options, note));
    return {};
  }
  Result<SwitchReport> done = stop_and_switch(session, transaction, Version::new_code, options);
  TRY(session.refresh());
  if (done || debt != HookDebt::finish_apply) return done ? Status() : Status(std::move(done).error());
  // A hook refuses the patch.
  (void)TRY(take_back(session, transaction, options, note));
  return {};
}

}  // namespace

Status release_memory(Session &session, const Transaction &transaction) {
  if (may_be_forgotten(session, transaction)) {
    mark_kept(session, transaction);
    return {};
  }
  TRY(forget_unwind(session, transaction));
  const std::vector<RunRange> shadow = own_shadow_memory(session.process, session.records, transaction);
  const ChildSignalBlock signals;
  BorrowedThread thread = TRY(session.borrow(BorrowFor::syscalls));
  TRY(unmap_shadow_memory(thread, shadow));
  for (const Record &unit : transaction.units) {
    // Data behind code: while the record is readable, the next run knows of both.
    TRY(unmap_range(thread, unit.data));
    fault_point("release-data");
    TRY(unmap_range(thread, unit.code));
    fault_point("release-code");
  }
  TRY(std::move(thread).give_back());
  return session.refresh();
}

Result<SwitchReport> take_back(Session &session, const Transaction &transaction, const SwitchOptions &options,
                               std::string &note) {
  const Transaction own = transaction;  // NOLINT(performance-unnecessary-copy-initialization): the session's records change below
  SwitchReport report = TRY(stop_and_switch(session, own, Version::old_code, options));
  note = report.note;
  TRY(session.refresh());
  if (!report.memory_is_unused || report.threads.hold_memory) {
    Result<LeftMemory> left = wait_until_left(session, own);
    report.memory_is_unused = left && left->unused;  // not knowing, it stays
    if (left) report.threads = std::move(left->threads);
  }
  if (may_be_forgotten(session, own)) {
    mark_kept(session, own);
    note += cat(note.empty() ? "" : "; ", "the patch's memory stays mapped: an interrupted run may not have taken it out of the unwinder's lists");
    return report;
  }
  Status released;
  if (report.memory_is_unused) released = forget_unwind(session, own);
  bool held = !report.memory_is_unused;
  if (released && !held) {
    const Result<bool> points = something_points_into(session, own, report.threads);
    held = !points || *points;  // not knowing, it stays
  }
  if (released && held) {
    mark_kept(session, own);
    note += cat(note.empty() ? "" : "; ",
                "the patch's memory stays mapped: something in the process may still point into it");
    return report;
  }
  if (released) released = release_memory(session, own);
  if (!released) note += cat(note.empty() ? "" : "; ", "the patch's memory stays mapped: ", released.error().what());
  return report;
}

Status repair(Session &session, const SwitchOptions &options) {
  TRY(tidy_orphans(session));
  std::vector<Transaction> transactions = session.transactions();
  // Latest first: a later patch may lie over an earlier one.
  for (auto it = transactions.rbegin(); it != transactions.rend(); ++it)
    TRY_WHILE(repair_one(session, *it, options), cat("finishing what an interrupted run left of ", it->patch_id()));
  return {};
}

}  // namespace suture
