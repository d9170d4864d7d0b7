// revert_hot and read_applied: what is recorded in a process, and taking it back.
#include <algorithm>

#include "apply/apply.h"
#include "apply/session.h"
#include "apply/take_back.h"
#include "apply/worker.h"
#include "base/cat.h"
#include "process/preflight.h"

namespace suture {
namespace {

bool is_reverted(const Result<EntryReport> &entries) {
  return entries && std::all_of(entries->states.begin(), entries->states.end(),
                                [](RecordState s) { return s == RecordState::reverted; });
}

// A later patch of the same mapped image that contains this one's fixes.
const FoundRecord *superseding(const std::vector<FoundRecord> &records, const Record &unit) {
  for (const FoundRecord &other : records)
    if (other.record.base == unit.base && other.record.order > unit.order &&
        other.head.state == static_cast<uint64_t>(RecordState::applied) &&
        other.record.lineage().replaces(unit.lineage()))
      return &other;
  return nullptr;
}

// Of what is recorded as applied, entries may lead to old code all the same: the library was unloaded and loaded again.
AppliedPatch::State state_of(const Process &process, const std::vector<FoundRecord> &records, const Transaction &transaction) {
  const Result<EntryReport> entries = read_entries(process, transaction);
  if (is_reverted(entries)) return AppliedPatch::State::reverted;
  const bool whole = transaction.units.size() == transaction.units.front().unit_count;
  const bool applied = entries && whole &&
                       std::all_of(entries->states.begin(), entries->states.end(),
                                   [](RecordState s) { return s == RecordState::applied; });
  // A later patch may have given back what only this one had replaced.
  const bool led_elsewhere = std::any_of(transaction.units.begin(), transaction.units.end(),
                                         [&](const Record &unit) { return superseding(records, unit) != nullptr; });
  const bool in_effect = applied && (led_elsewhere || !entries->any_is(EntryState::old_code));
  return in_effect ? AppliedPatch::State::applied : AppliedPatch::State::interrupted;
}

AppliedPatch describe(const std::vector<FoundRecord> &records, const Record &unit, AppliedPatch::State state) {
  AppliedPatch out;
  out.id = unit.patch_id;
  out.sequence = unit.sequence;
  out.state = state;
  const FoundRecord *newer = state == AppliedPatch::State::applied ? superseding(records, unit) : nullptr;
  if (newer != nullptr) out.state = AppliedPatch::State::superseded;
  if (newer != nullptr) out.superseded_by = newer->record.patch_id;
  out.applied_at = unit.applied_at;
  out.base_path = unit.base_path;
  out.base_id = unit.base_id;
  out.base = unit.base;
  out.memory = unit.code.begin;
  out.mapped_bytes = unit.code.size_bytes + unit.data.size_bytes;
  for (const RecordFunction &function : unit.functions)
    out.functions.push_back({function.name, function.old_entry, function.new_code.begin});
  return out;
}

AppliedPatch describe(const Module &module, const ColdPatchRecord &cold) {
  AppliedPatch out;
  out.id = cold.patch.id;
  out.sequence = cold.patch.sequence;
  out.state = AppliedPatch::State::in_file;
  out.base_path = module.name;
  out.base_id = module.id;
  out.base = module.base;
  for (const ColdRedirect &redirect : cold.redirects)
    out.functions.push_back({"", module.bias.to_run(redirect.site), module.bias.to_run(redirect.new_code.begin)});
  return out;
}

Error not_there(const Session &session, const std::string &patch_id, const std::string &comm) {
  for (const Module &module : session.modules)
    for (const ColdPatchRecord &cold : module.cold_patches)
      if (cold.patch.id == patch_id)
        return Error::refused(cat("process ", session.process.pid(), " (", comm, ") was started from ", module.name,
                                  " with patch ", patch_id, " in it, which cannot be taken out while it runs"))
            .with_next("take it back on disk (revert --disk) and restart the process");
  return Error::refused(cat("patch ", patch_id, " is not in process ", session.process.pid(), " (", comm, ")"));
}

}  // namespace

std::string_view name_of(AppliedPatch::State state) {
  switch (state) {
    case AppliedPatch::State::applied:
      return "applied";
    case AppliedPatch::State::superseded:
      return "superseded";
    case AppliedPatch::State::in_file:
      return "in-file";
    case AppliedPatch::State::interrupted:
      return "interrupted";
    case AppliedPatch::State::reverted:
      return "reverted";
  }
  return "?";
}

namespace {

Result<ApplyReport> revert_in(const std::string &patch_id, pid_t pid, const ApplyOptions &options) {
  Session session = TRY(Session::open(pid, options.timeout_ms));
  TRY(check_can_be_patched(session.process));
  const SwitchOptions switching{options.timeout_ms};
  TRY(repair(session, switching));
  session.loader = TRY(find_loader(session.process, session.modules));
  ApplyReport report;
  report.pid = pid;
  report.comm = session.process.comm();
  report.outcome = ApplyReport::Outcome::reverted;
  std::vector<Transaction> transactions = session.transactions();
  bool found = false;
  uint64_t sequence = 0;  // of the newest: older ones of the same id are what it goes back to
  for (auto it = transactions.rbegin(); it != transactions.rend(); ++it) {
    if (it->patch_id() != patch_id || is_reverted(read_entries(session.process, *it))) continue;
    if (found && it->units.front().sequence != sequence) continue;
    found = true;
    sequence = it->units.front().sequence;
    if (const std::optional<std::string> later = covered_by(session, *it))
      return Error::refused(cat("patch ", *later, " was applied over it")).with_next(cat("revert ", *later, " first"));
    const SwitchReport done = TRY(take_back(session, *it, switching, report.reason));
    report.stop_us = done.stop_us;
    report.attempts += done.attempts;
    for (const Record &unit : it->units)
      for (const RecordFunction &function : unit.functions) report.functions.push_back(function.name);
  }
  if (!found) return not_there(session, patch_id, report.comm);
  return report;
}

}  // namespace

Result<ApplyReport> revert_hot(const std::string &patch_id, pid_t pid, const ApplyOptions &options) {
  return run_in_worker([&] { return revert_in(patch_id, pid, options); });
}

Result<std::vector<AppliedPatch>> read_applied(pid_t pid) {
  const Process process = TRY(Process::open(pid));
  const Maps maps = TRY(process.maps());
  const std::vector<FoundRecord> records = TRY(find_records(process, maps));
  std::vector<AppliedPatch> out;
  for (const Module &module : TRY(find_modules(process, maps)))
    for (const ColdPatchRecord &cold : module.cold_patches) out.push_back(describe(module, cold));
  for (const Transaction &transaction : group_transactions(records)) {
    const AppliedPatch::State state = state_of(process, records, transaction);
    for (const Record &unit : transaction.units) out.push_back(describe(records, unit, state));
  }
  return out;
}

}  // namespace suture
