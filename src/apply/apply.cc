// The passes of apply, in order. Until map_unit the target is only read; until stop_and_switch nothing leads to what
// was mapped; stop_and_switch is the one pass that changes behaviour.
#include "apply/apply.h"

#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>

#include <algorithm>
#include <ctime>

#include "apply/hooks.h"
#include "apply/layers.h"
#include "apply/map_errand.h"
#include "apply/region.h"
#include "apply/session.h"
#include "apply/stop_and_switch.h"
#include "apply/take_back.h"
#include "apply/validate.h"
#include "apply/worker.h"
#include "base/byte_writer.h"
#include "base/cat.h"
#include "base/fault.h"
#include "process/cgroup.h"
#include "process/preflight.h"
#include "process/symbols.h"

namespace suture {
namespace {

struct UnwindFunctions {
  RunAddr add;
  RunAddr remove;
};

Result<std::optional<UnwindFunctions>> find_unwind_functions(const Session &session) {
  const auto find = [&](const char *name) {
    return find_symbol(session.process, session.modules, session.loader, {name, ""});
  };
  const std::optional<RunAddr> add = TRY(find("__register_frame_info"));
  const std::optional<RunAddr> remove = TRY(find("__deregister_frame_info"));
  if (!add || !remove) return std::optional<UnwindFunctions>();
  return std::optional<UnwindFunctions>({*add, *remove});
}

struct FoundUnits {
  std::vector<Unit> fresh;
  std::vector<std::vector<Lineage>> superseded;  // beside `fresh`
  size_t already = 0;
  std::optional<Lineage> contained_in;  // why nothing is left to do
  std::vector<std::string> superseded_ids() const;
};

std::vector<std::string> FoundUnits::superseded_ids() const {
  std::vector<std::string> out;
  for (const std::vector<Lineage> &list : superseded)
    for (const Lineage &patch : list)
      if (std::find(out.begin(), out.end(), patch.id) == out.end()) out.push_back(patch.id);
  return out;
}

Result<FoundUnits> find_units(const Session &session, const std::vector<const HotImage *> &images) {
  FoundUnits out;
  std::string wanted;
  for (const HotImage *hot : images) {
    wanted += cat(wanted.empty() ? "" : ", ", hot->base_path, " (build-id ", hot->base_id.text(), ")");
    if (hot->base_id.kind == ImageId::Kind::none) return Error::refused(cat(hot->base_path, " has no build-id"));
    for (const Module &module : session.modules) {
      if (module.id != hot->base_id) continue;
      Standing standing = stand(session, module, hot->lineage());
      if (standing.already || standing.contained_in) {
        ++out.already;
        if (!standing.already) out.contained_in = standing.contained_in;
        continue;
      }
      Unit unit;
      unit.hot = hot;
      unit.module = module;
      out.fresh.push_back(std::move(unit));
      out.superseded.push_back(std::move(standing.superseded));
    }
  }
  if (out.fresh.empty() && out.already == 0)
    return Error::refused(
        cat("process ", session.process.pid(), " (", session.process.comm(), ") does not run ", wanted));
  return out;
}

// In one of the images that are to be patched, itself or in a patch that contains it.
bool is_there(const Session &session, const std::vector<Unit> &units, const std::string &id) {
  const Lineage wanted{id, 0, {}};
  return std::any_of(units.begin(), units.end(), [&](const Unit &unit) {
    const std::vector<Lineage> there = patches_in(session, unit.module);
    return std::any_of(there.begin(), there.end(), [&](const Lineage &patch) { return patch.replaces(wanted); });
  });
}

Status check_requirements(const Session &session, const std::vector<Unit> &units, const std::vector<std::string> &ids) {
  for (const std::string &id : ids)
    if (!is_there(session, units, id)) return Error::refused(cat("patch ", id, " must be applied first")).with_next(cat("apply ", id));
  return {};
}

Status identify(Session &session, std::vector<Unit> &units) {
  std::array<uint8_t, 16> transaction{};
  if (::getrandom(transaction.data(), transaction.size(), 0) != static_cast<ssize_t>(transaction.size()))
    return Error::from_errno(errno, "no random numbers");
  const uint64_t order = session.records.empty() ? 1 : session.records.back().record.order + 1;
  for (size_t i = 0; i < units.size(); ++i) {
    Record &record = units[i].record;
    record.patch_id = units[i].hot->patch_id;
    record.sequence = units[i].hot->sequence;
    record.supersedes = units[i].hot->supersedes;
    record.transaction = transaction;
    record.unit = static_cast<uint32_t>(i);
    record.unit_count = static_cast<uint32_t>(units.size());
    record.order = order;
    record.applied_at = static_cast<uint64_t>(std::time(nullptr));
    record.base_path = units[i].hot->base_path;
    record.base_id = units[i].hot->base_id;
    record.base = units[i].module.base;
    record.base_bias = units[i].module.bias;
  }
  return {};
}

uint64_t mapped_bytes(const Unit &unit) {
  const uint64_t shadow = unit.makes_shadow_table ? unit.record.shadow.size_bytes : 0;
  return unit.record.code.size_bytes + unit.record.data.size_bytes + shadow;
}

// Everything that can be known and computed without touching the target.
Status plan(Session &session, std::vector<Unit> &units, const std::optional<UnwindFunctions> &unwind) {
  const LinkContext context{session.process, session.modules, session.loader, unwind.has_value(), session.records};
  TRY(identify(session, units));
  std::vector<RunRange> taken;
  for (Unit &unit : units) {
    TRY(place_unit(unit, session.maps, taken, context));
    taken.push_back({unit.record.code.begin, mapped_bytes(unit)});
  }
  const RunAddr gate = units.front().record.code.begin + kGateOffset;
  for (Unit &unit : units) {
    unit.gate_address = gate;
    const Arch *arch = find_arch(unit.hot->arch);
    if (arch == nullptr) return Error::refused(cat("architecture ", name_of(unit.hot->arch), " is not supported"));
    TRY_WHILE(link_unit(unit, *arch, context), cat("linking the patch for ", unit.module.name));
  }
  uint64_t bytes = 0;
  for (const Unit &unit : units) bytes += mapped_bytes(unit);
  return check_memory_headroom(session.process, 2 * bytes);
}

Transaction transaction_of(const std::vector<Unit> &units) {
  Transaction out;
  out.gate = units.front().gate_address;
  for (const Unit &unit : units) out.units.push_back(unit.record);
  return out;
}

// Gates wait by rdtsc, which a process can have made a fault.
Result<bool> tsc_is_readable(const Session &session, BorrowedThread &thread) {
  const RunAddr at = TRY(thread.put_text(std::string(4, '\0')));
  const int64_t got = TRY(thread.syscall(SYS_prctl, {PR_GET_TSC, at.value, 0, 0, 0, 0}));
  const Result<uint32_t> mode = session.process.read_value<uint32_t>(at);
  return got == 0 && mode && *mode == PR_TSC_ENABLE;
}

// Through a borrowed thread: the units from `first` on, and what the errands did not find out.
Status map_borrowing(Session &session, std::vector<Unit> &units, size_t first, Naming naming) {
  BorrowedThread thread = TRY(session.borrow(BorrowFor::syscalls));
  session.tsc_is_readable = TRY(tsc_is_readable(session, thread));
  const uint64_t flags = session.tsc_is_readable ? kFlagTscIsReadable : 0;
  for (size_t i = 0; i < units.size(); ++i) {
    store<uint64_t>(units[i].code, kFlagsOffset, flags);
    Status done = i < first ? write_or_poke(session.process, thread, units[i].record.code.begin + kFlagsOffset,
                                            {reinterpret_cast<const uint8_t *>(&flags), sizeof flags})
                            : map_unit(session.process, thread, units[i], naming);
    if (done) continue;
    for (size_t j = 0; j < std::max(i, first); ++j) {
      (void)unmap_range(thread, units[j].record.data);  // best effort: the next run finds what stays
      (void)unmap_range(thread, units[j].record.code);
    }
    return std::move(std::move(done).error()).with_state(TargetState::restored);
  }
  return std::move(thread).give_back();
}

Status map_all(Session &session, std::vector<Unit> &units, Naming naming) {
  const ChildSignalBlock signals;
  size_t mapped = 0;
  if (naming == Naming::automatic)
    while (mapped < units.size() && TRY(map_unit_by_errands(session, units[mapped]))) ++mapped;
  if (mapped == units.size() && session.tsc_is_known) return {};
  return map_borrowing(session, units, mapped, naming);
}

// With the process's unwinder, and with an image's own where it has one.
Status register_unwind(Session &session, const std::vector<Unit> &units, const std::optional<UnwindFunctions> &functions) {
  const auto is_to_be_registered = [](const Unit &unit) {
    return unit.record.unwind_object.value != 0 || unit.record.own_unwind.object.value != 0;
  };
  if (std::none_of(units.begin(), units.end(), is_to_be_registered)) return {};
  const ChildSignalBlock signals;
  BorrowedThread thread = TRY(session.borrow(BorrowFor::function_call));
  for (const Unit &unit : units) {
    const Record &record = unit.record;
    if (record.own_unwind.object.value != 0) {
      const RunAddr add = unit.module.bias.to_run(unit.hot->unwinder->add);
      TRY(thread.call(add, record.eh_frame.begin.value, record.own_unwind.object.value));
      fault_point("own-unwind-registered");
    }
    if (record.unwind_object.value == 0) continue;
    TRY(thread.call(functions->add, record.eh_frame.begin.value, record.unwind_object.value));
    fault_point("unwind-registered");
  }
  return std::move(thread).give_back();
}

// No entry was ever led to this memory and no hook in it was begun, so no thread can be in it and nothing is to be undone:
// the switch ended untouched (without gates put in), and the entries and counts say so too.
bool nothing_ran(const Session &session, const Transaction &transaction) {
  const Result<EntryReport> entries = read_entries(session.process, transaction);
  if (!entries || !entries->all_are(EntryState::old_code)) return false;
  return std::all_of(transaction.units.begin(), transaction.units.end(), [&](const Record &unit) {
    if (hook_count(unit, Hook::Kind::pre_apply) == 0) return true;
    const Result<HookCount> count = read_hook_count(session.process, unit, Hook::Kind::pre_apply);
    return count && count->begun == 0;
  });
}

Result<SwitchReport> load_and_switch(Session &session, std::vector<Unit> &units,
                                     const std::optional<UnwindFunctions> &unwind, const ApplyOptions &options) {
  TRY(map_all(session, units, options.naming));
  fault_point("apply-mapped");
  const Transaction transaction = transaction_of(units);
  Status done = register_unwind(session, units, unwind);
  if (done) {
    Result<SwitchReport> report =
        stop_and_switch(session, transaction, Version::new_code, SwitchOptions{options.timeout_ms});
    if (report) return report;
    done = std::move(report).error();
  }
  if (done.error().state() == TargetState::damaged) return std::move(done).error();
  TRY(session.refresh());
  // A process that could not be stopped to be switched cannot be stopped to be switched back either, and need not be.
  if (done.error().state() == TargetState::untouched && nothing_ran(session, transaction) && release_memory(session, transaction))
    return std::move(std::move(done).error()).with_state(TargetState::restored);
  // Gates may have been in for a while; their memory goes only if nobody is in it.
  std::string note;
  constexpr uint64_t kLeastPatienceMs = 2000;
  const SwitchOptions patience{std::max(options.timeout_ms, kLeastPatienceMs)};
  const Result<SwitchReport> back = take_back(session, transaction, patience, note);
  if (!back)
    return std::move(std::move(done).error())
        .during(cat("(the loaded patch could not be removed: ", back.error().what(), ")"));
  return std::move(std::move(done).error()).with_state(TargetState::restored);
}

// Of the images that the process has mapped; one that is mapped twice counts once.
std::vector<std::string> function_names(const Session &session, const std::vector<const HotImage *> &images) {
  std::vector<std::string> out;
  for (const HotImage *image : images) {
    const bool mapped = std::any_of(session.modules.begin(), session.modules.end(),
                                    [&](const Module &module) { return module.id == image->base_id; });
    for (const Redirect &redirect : image->redirects)
      if (mapped) out.push_back(redirect.name);
  }
  return out;
}

bool has_unwind_information(const std::vector<const HotImage *> &images) {
  return std::any_of(images.begin(), images.end(), [](const HotImage *hot) { return hot->eh_frame_bytes != 0; });
}

}  // namespace

std::string_view name_of(ApplyReport::Outcome outcome) {
  switch (outcome) {
    case ApplyReport::Outcome::applied:
      return "applied";
    case ApplyReport::Outcome::already:
      return "already";
    case ApplyReport::Outcome::reverted:
      return "reverted";
    case ApplyReport::Outcome::would_apply:
      return "would-apply";
  }
  return "?";
}

namespace {

Result<ApplyReport> apply_to(const std::vector<const HotImage *> &images, pid_t pid, const ApplyOptions &options) {
  Session session = TRY(Session::open(pid, options.timeout_ms));
  TRY(check_can_be_patched(session.process));
  if (!options.dry_run) TRY(repair(session, SwitchOptions{options.timeout_ms}));
  ApplyReport report;
  report.pid = pid;
  report.comm = session.process.comm();
  report.functions = function_names(session, images);
  FoundUnits found = TRY(find_units(session, images));
  if (found.fresh.empty()) {
    report.outcome = ApplyReport::Outcome::already;
    report.reason = found.contained_in ? cat("its fixes are in ", found.contained_in->id, ", which is in this process")
                                       : "the patch is in this process";
    return report;
  }
  TRY(check_requirements(session, found.fresh, options.requires_ids));
  session.loader = TRY(find_loader(session.process, session.modules));
  for (const Unit &unit : found.fresh)
    TRY_WHILE(validate_unit(session, *unit.hot, unit.module), cat("checking ", unit.module.name, " in process ", pid));
  for (size_t i = 0; i < found.fresh.size(); ++i) TRY(plan_layers(session, found.fresh[i], found.superseded[i]));
  report.superseded = found.superseded_ids();
  const std::optional<UnwindFunctions> unwind =
      has_unwind_information(images) ? TRY(find_unwind_functions(session)) : std::optional<UnwindFunctions>();
  TRY(plan(session, found.fresh, unwind));
  if (options.dry_run) {
    report.outcome = ApplyReport::Outcome::would_apply;
    return report;
  }
  fault_point("apply-planned");
  const SwitchReport done = TRY(load_and_switch(session, found.fresh, unwind, options));
  report.stop_us = done.stop_us;
  report.attempts = done.attempts;
  report.reason = done.note;
  return report;
}

}  // namespace

Result<ApplyReport> apply_hot(const std::vector<const HotImage *> &images, pid_t pid, const ApplyOptions &options) {
  return run_in_worker([&] { return apply_to(images, pid, options); });
}

}  // namespace suture
