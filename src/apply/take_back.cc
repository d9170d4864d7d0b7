#include "apply/take_back.h"

#include <algorithm>
#include <array>

#include "apply/target_memory.h"
#include "base/cat.h"
#include "base/fault.h"
#include "process/symbols.h"

namespace suture {
namespace {

constexpr uint64_t kMaxPointerScan = uint64_t{2} << 30;
constexpr size_t kScanChunk = 1 << 20;

bool any_unit_holds(const Transaction &transaction, uint64_t word) {
  return std::any_of(transaction.units.begin(), transaction.units.end(), [&](const Record &unit) {
    return unit.code.contains(RunAddr(word)) || unit.data.contains(RunAddr(word));
  });
}

// libgcc sorts pointers to frame descriptions in memory that it frees but does not clear; once it has forgotten them,
// nothing follows those.
bool matters(const Transaction &transaction, uint64_t word) {
  return any_unit_holds(transaction, word) &&
         std::none_of(transaction.units.begin(), transaction.units.end(),
                      [&](const Record &unit) { return unit.eh_frame.contains(RunAddr(word)); });
}

// Stacks keep words of calls long returned; live returns were ruled out with the threads stopped.
std::vector<const Mapping *> thread_stacks(const Session &session) {
  std::vector<const Mapping *> out;
  const Result<std::vector<pid_t>> tasks = session.process.tasks();
  if (!tasks) return out;
  for (const pid_t tid : *tasks) {
    const Result<std::string> text = session.process.task_text(tid, "stat");
    if (!text) continue;
    // Field 29 is kstkesp, which live threads hide; the map's own mark and the thread list's stack pointers serve.
    const Result<std::string> call = session.process.task_text(tid, "syscall");
    if (!call) continue;
    const size_t last = call->rfind(' ');
    const size_t before = last == std::string::npos ? last : call->rfind(' ', last - 1);
    if (before == std::string::npos) continue;
    const uint64_t sp = std::strtoull(call->c_str() + before + 1, nullptr, 16);
    if (const Mapping *mapping = session.maps.at(RunAddr(sp))) out.push_back(mapping);
  }
  return out;
}

// Whether data of the process points into the patch's memory (a function or string of the patch stored somewhere).
bool something_points_into(const Session &session, const Transaction &transaction) {
  const std::vector<const Mapping *> stacks = thread_stacks(session);
  std::vector<uint64_t> buffer(kScanChunk / sizeof(uint64_t));
  uint64_t scanned = 0;
  for (const Mapping &mapping : session.maps.all()) {
    if (!mapping.writable || !mapping.readable || mapping.name == "[stack]") continue;
    if (std::find(stacks.begin(), stacks.end(), &mapping) != stacks.end()) continue;
    if (any_unit_holds(transaction, mapping.range.begin.value)) continue;
    for (uint64_t at = 0; at < mapping.range.size_bytes; at += kScanChunk) {
      const size_t count = static_cast<size_t>(std::min<uint64_t>(kScanChunk, mapping.range.size_bytes - at));
      ReadPiece piece{mapping.range.begin + at, {reinterpret_cast<uint8_t *>(buffer.data()), count}};
      session.process.read_many({&piece, 1});
      scanned += piece.read_bytes;
      if (scanned > kMaxPointerScan) return true;  // too much to look through: assume so
      for (size_t i = 0; i < piece.read_bytes / sizeof(uint64_t); ++i)
        if (matters(transaction, buffer[i])) return true;
    }
  }
  return false;
}

bool unwind_is_registered(const Session &session, const Record &unit) {
  if (unit.unwind_object.value == 0) return false;
  // libgcc fills the object as the first thing it does, and clears nothing when it forgets it: ours is zero until then.
  const Result<std::array<uint64_t, 6>> object =
      session.process.read_value<std::array<uint64_t, 6>>(unit.unwind_object);
  return object && std::any_of(object->begin(), object->end(), [](uint64_t word) { return word != 0; });
}

Status forget_unwind(Session &session, BorrowedThread &thread, const Record &unit) {
  if (!unwind_is_registered(session, unit)) return {};
  const std::optional<RunAddr> function =
      TRY(find_symbol(session.process, session.modules, session.loader, {"__deregister_frame_info", ""}));
  if (!function) return Error::failed("libgcc is gone from the process");
  TRY(thread.call(*function, unit.eh_frame.begin.value, 0));
  const std::array<uint8_t, 64> zeros{};
  return write_or_poke(session.process, thread, unit.unwind_object, zeros);
}

bool any_unwind_is_registered(const Session &session, const Transaction &transaction) {
  return std::any_of(transaction.units.begin(), transaction.units.end(),
                     [&](const Record &unit) { return unwind_is_registered(session, unit); });
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
  const EntryReport entries = TRY(read_entries(session.process, transaction));
  if (entries.any_is(EntryState::foreign)) return {};  // covered by a later patch, or by somebody else's
  const auto all_states = [&](RecordState state) {
    return std::all_of(entries.states.begin(), entries.states.end(), [&](RecordState s) { return s == state; });
  };
  if (entries.all_are(EntryState::new_code) && all_states(RecordState::applied)) return {};
  if (entries.all_are(EntryState::old_code) && all_states(RecordState::reverted) && is_kept(session, transaction))
    return {};
  if (entries.in_effect == Version::old_code) {
    std::string note;
    (void)TRY(take_back(session, transaction, options, note));
    return {};
  }
  (void)TRY(stop_and_switch(session, transaction, Version::new_code, options));
  return session.refresh();
}

}  // namespace

Status release_memory(Session &session, const Transaction &transaction) {
  TRY(forget_unwind(session, transaction));
  const ChildSignalBlock signals;
  BorrowedThread thread = TRY(session.borrow(BorrowFor::syscalls));
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
  const SwitchReport report = TRY(stop_and_switch(session, own, Version::old_code, options));
  TRY(session.refresh());
  Status released;
  if (report.memory_is_unused) released = forget_unwind(session, own);
  if (released && (!report.memory_is_unused || something_points_into(session, own))) {
    mark_kept(session, own);
    note = "the patch's memory stays mapped: something in the process may still point into it";
    return report;
  }
  if (released) released = release_memory(session, own);
  if (!released) note = cat("the patch's memory stays mapped: ", released.error().what());
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
