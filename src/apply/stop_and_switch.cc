#include "apply/stop_and_switch.h"

#include <x86intrin.h>

#include <algorithm>
#include <random>
#include <set>

#include "apply/hooks.h"
#include "apply/leave_memory.h"
#include "apply/quiescence.h"
#include "base/cat.h"
#include "base/fault.h"
#include "process/preflight.h"
#include "process/world.h"

namespace suture {
namespace {

constexpr const char *kTryLater = "try again later or with a longer --timeout";
constexpr uint64_t kStopPatienceMs = 200;
constexpr uint64_t kStopPatiencePerThreadUs = 2000;
// Callers wait in windows, at the end of each of which the threads are looked at again; windows in a row are limited by
// a budget, after which the process runs freely for a while.
constexpr uint64_t kFirstWindowUs = 200;
constexpr uint64_t kLongestWindowUs = 5000;
constexpr uint64_t kFirstBudgetUs = 20000;
constexpr uint64_t kLargestBudgetUs = 200000;
constexpr uint64_t kHoldMarginUs = 3000;  // for the stop that ends a window
constexpr uint64_t kFirstBackOffUs = 500;
constexpr uint64_t kLongestBackOffUs = 100000;

// Time stamp counter ticks, measured against the clock since construction.
class TickClock {
 public:
  TickClock() : start_ns_(now_ns()), start_ticks_(__rdtsc()) {}
  uint64_t after_us(uint64_t us) const {
    constexpr uint64_t kMinBaseNs = 200000;
    uint64_t elapsed = now_ns() - start_ns_;
    while (elapsed < kMinBaseNs) elapsed = now_ns() - start_ns_;
    const uint64_t ticks = __rdtsc();
    const double per_ns = static_cast<double>(ticks - start_ticks_) / static_cast<double>(elapsed);
    return ticks + static_cast<uint64_t>(per_ns * static_cast<double>(us) * 1000.0);
  }

 private:
  uint64_t start_ns_;
  uint64_t start_ticks_;
};

bool same_site(const RecordFunction &a, const RecordFunction &b) {
  return a.site == b.site;
}

// What must be left before callers may get `version`.
QuiescenceQuery make_query(const Session &session, const Transaction &transaction, Version version) {
  QuiescenceQuery query;
  for (const Record &unit : transaction.units) {
    query.gates.push_back({&unit, query.names.size()});
    if (version == Version::old_code)
      query.ranges.push_back({{unit.image, unit.code.end() - unit.image}, query.names.size(), false, {}});
    for (const RecordFunction &function : unit.functions) {
      const size_t index = query.names.size();
      query.names.push_back(function.name);
      if (version == Version::old_code) {
        query.ranges.push_back({function.new_code, index, false, {}});
        continue;
      }
      query.overwritten.push_back({function.site + 1, kRedirectBytes - 1});
      for (const RunRange &part : function.old_parts) {
        const bool entry = part.begin == function.old_entry && !function.loops_to_entry;
        query.ranges.push_back({part, index, entry, function.site});
      }
      if (function.has_gate()) query.ranges.push_back({function.displaced, index, false, {}});
      // With callers of the entry led back to it from inside, waiting at its gate proves nothing.
      if (function.has_gate() && function.loops_to_entry) query.ranges.push_back({function.gate, index, false, {}});
      // Replaced before: what earlier patches put in its place is old code now.
      for (const FoundRecord &found : session.records)
        for (const RecordFunction &earlier : found.record.functions)
          if (found.record.order < unit.order && same_site(earlier, function))
            query.ranges.push_back({earlier.new_code, index, false, {}});
    }
    if (version == Version::old_code) query.names.push_back(cat("code of ", unit.patch_id));
  }
  return query;
}

class Switcher {
 public:
  Switcher(Session &session, const Transaction &transaction, Version version, const SwitchOptions &options,
           std::vector<Process> sharers)
      : session_(session),
        transaction_(transaction),
        version_(version),
        deadline_(Deadline::in_ms(options.timeout_ms)),
        query_(make_query(session, transaction, version)),
        checker_(session.process, session.modules, session.records),
        world_(session.process, std::move(sharers)),
        reading_(session.process, transaction),
        board_(session.process, world_, transaction),
        hooks_(session, world_, transaction) {}

  Result<SwitchReport> run() {
    checker_.prepare(query_);
    can_settle_later_ = touch_pages();
    TRY(world_.seize_all());
    session_.maps = TRY(session_.process.maps());
    TRY(hooks_.prepare());
    fault_point("switch-seized");
    for (;;) {
      ++report_.attempts;
      Status done = attempt();
      if (!done && switched_) return std::move(done).error();  // our caller takes it back
      if (!done) return give_up(std::move(done.error()));
      if (switched_) return report_;
      if (deadline_.passed()) return give_up(too_late());
      if (Status waited = wait_for_next(); !waited) return give_up(std::move(waited.error()));
    }
  }

 private:
  enum class Next { back_off, drain };

  // The first write to a private page copies it. Writing what is there already moves that out of the stop; threads that
  // execute the bytes meanwhile see the same bytes. False where the kernel lets only a tracer write to code
  // (proc_mem.force_override=ptrace).
  bool touch_pages() const {
    bool all = true;
    const auto touch = [&](RunAddr at) {
      uint8_t byte = 0;
      all = session_.process.read(at, {&byte, 1}) && session_.process.write(at, {&byte, 1}) && all;
    };
    for (const Record &unit : transaction_.units) {
      touch(unit.code.begin + kStateOffset);
      for (const RecordFunction &function : unit.functions) touch(function.site);
    }
    return all;
  }

  Status attempt() {
    last_problem_.reset();
    const bool draining = next_ == Next::drain;
    next_ = Next::back_off;
    const RealTimePriority priority;
    if (Status stopped = stop_world(draining); !stopped) {
      if (stopped.error().verdict() == Verdict::failed) return stopped;
      last_problem_ = std::move(stopped.error());
      return {};
    }
    fault_point("switch-stopped");
    Status done = while_stopped();
    if (switched_ && done) {
      done = world_.release();
      report_.stop_us = world_.last_stop_ns() / 1000;
      fault_point("switch-released");
      return done ? settle() : std::move(done);
    }
    // Those that wait at gates need not burn the processor that those inside need to get out.
    Status resumed = next_ == Next::drain ? world_.resume_except(waiting_) : world_.resume();
    return done ? std::move(resumed) : std::move(done);
  }

  // Sleepers first: they are looked at while the others still run. Not while callers wait at gates, which open by
  // themselves: then it has to be quick as a whole.
  Status stop_world(bool draining) {
    const uint64_t patience = kStopPatienceMs * 1000 + kStopPatiencePerThreadUs * world_.thread_count();
    const Deadline until = Deadline::in_us(patience);
    checker_.begin(query_, session_.maps);
    if (!draining) {
      TRY(world_.stop_sleepers(until));
      fault_point("switch-sleepers");
      checker_.look_ahead(world_);
    }
    return world_.stop(until);
  }

  Status while_stopped() {
    uint32_t loader_state = 0;
    std::optional<ReadPiece> with_loader;
    if (session_.loader)
      with_loader = {loader_state_at(session_.loader->r_debug),
                     {reinterpret_cast<uint8_t *>(&loader_state), sizeof loader_state}};
    const EntryReport entries = TRY(reading_.read(with_loader));
    if (!loader_is_consistent(loader_state)) {
      last_problem_ = Error::refused("the dynamic loader is changing the list of modules all the time");
      return {};
    }
    if (entries.any_is(EntryState::foreign))
      return Error::refused("an entry to be redirected was changed by somebody else meanwhile");
    const QuiescenceAnswer answer = TRY(checker_.check(world_, session_.maps));
    fault_point("switch-checked");
    if (TRY(hooks_.still_running())) {
      last_problem_ = Error::refused("a hook that an earlier run began has not returned yet");
      return {};
    }
    if (answer.inside.empty() && answer.overwritten_is_clear) return commit_with_hooks(entries);
    inside_ = answer.inside;
    for (const ThreadInside &thread : inside_)
      if (thread.held_at) nested_.insert(*thread.held_at);
    return consider_holding(answer, entries);
  }

  Status commit_with_hooks(const EntryReport &entries) {
    TRY(hooks_.before_switch(version_, entries));
    TRY(commit(entries));
    Status done = hooks_.after_switch(version_);
    report_.note = hooks_.note();
    if (done) return done;
    if (version_ == Version::old_code || !world_.stopped()) {
      // Too late to refuse: the switch is made, and threads may have run what it leads to.
      report_.note = done.error().what();
      return {};
    }
    // Nobody has run the new code but the hook.
    switched_ = false;
    const EntryReport now = TRY(read_entries(session_.process, transaction_));
    TRY(board_.switch_to(Version::old_code, now));
    TRY(board_.settle(Version::old_code));
    return done;
  }

  Status commit(const EntryReport &entries) {
    TRY(board_.switch_to(version_, entries));
    if (!can_settle_later_) TRY(board_.settle(version_));
    if (version_ == Version::old_code) {
      const QuiescenceAnswer answer = TRY(checker_.check(world_, memory_query(transaction_), session_.maps));
      report_.memory_is_unused = answer.inside.empty();
      report_.threads = SeenThreads(world_, answer);
    }
    switched_ = true;
    return {};
  }

  // What need not be in the stop. A process that has ended since was switched all the same.
  Status settle() {
    Status done = can_settle_later_ ? board_.settle(version_) : Status();
    const Result<EntryReport> after = read_entries(session_.process, transaction_);
    if ((!done || !after) && !session_.process.same_program()) return {};
    TRY(done);
    if (!after) return after.error();
    const EntryState wanted = version_ == Version::new_code ? EntryState::new_code : EntryState::old_code;
    if (!after->all_are(wanted))
      return Error::failed("an entry does not read back as written").with_state(TargetState::damaged);
    return {};
  }

  // Threads inside need time to leave, and others must not enter meanwhile.
  Status consider_holding(const QuiescenceAnswer &answer, const EntryReport &entries) {
    waiting_ = answer.at_gates;
    if (!session_.tsc_is_readable || !answer.overwritten_is_clear || inside_.empty()) return {};
    if (!transaction_.every_function_has_a_gate()) return {};
    if (spent_us_ >= budget_us_) {
      spent_us_ = 0;
      window_us_ = 0;
      back_off_us_ = budget_us_;
      budget_us_ = std::min(budget_us_ * 2, kLargestBudgetUs);
      return {};  // the hold runs out by itself
    }
    if (!entries.all_are(EntryState::gate)) {
      gates_in_ = true;
      TRY(board_.install_gates(entries.in_effect));
    }
    window_us_ = window_us_ == 0 ? kFirstWindowUs : std::min(window_us_ * 2, kLongestWindowUs);
    spent_us_ += window_us_;
    TRY(board_.hold(marks(), guests(), ticks_.after_us(window_us_ + kHoldMarginUs)));
    fault_point("switch-holding");
    next_ = Next::drain;
    return {};
  }

  // Calls that threads make before they are out. Held, they would never let their callers out.
  std::vector<RunRange> guests() const {
    std::vector<RunRange> calls;
    for (const ThreadInside &thread : inside_)
      if (thread.nested_calls.size_bytes != 0) calls.push_back(thread.nested_calls);
    return calls;
  }

  // Only functions seen as the outermost inside are held at; and none where a thread waits that is inside in a way that is not known (its
  // handler of a signal calls it, on a stack of its own).
  std::vector<std::vector<bool>> marks() const {
    std::vector<std::vector<bool>> out;
    size_t index = 0;
    for (const Record &unit : transaction_.units) {
      std::vector<bool> &unit_marks = out.emplace_back();
      const size_t whole = index + unit.functions.size();
      const bool unit_seen = version_ == Version::old_code && seen(whole);
      for (size_t f = 0; f < unit.functions.size(); ++f) unit_marks.push_back((unit_seen || seen(index + f)) && !nested_.contains(index + f));
      index = whole + (version_ == Version::old_code ? 1 : 0);
    }
    return out;
  }
  bool seen(size_t function) const {
    return std::any_of(inside_.begin(), inside_.end(), [&](const ThreadInside &t) { return t.function == function; });
  }

  Status wait_for_next() {
    if (next_ == Next::drain) return world_.wait_running(Deadline::in_us(window_us_));
    back_off_us_ = back_off_us_ == 0 ? kFirstBackOffUs : std::min(back_off_us_ * 2, kLongestBackOffUs);
    std::uniform_int_distribution<uint64_t> around(back_off_us_ / 2, back_off_us_ * 3 / 2);
    const Deadline until{std::min(Deadline::in_us(around(random_)).at_ns, deadline_.at_ns)};
    return world_.wait_running(until);
  }

  Error too_late() const {
    if (inside_.empty() && last_problem_) return *last_problem_;
    if (inside_.empty()) return Error::refused("a thread always executes the bytes that are to be replaced");
    const ThreadInside &first = inside_.front();
    const Result<std::string> comm = session_.process.task_text(first.tid, "comm");
    const std::string more = inside_.size() > 1 ? cat(" (and ", inside_.size() - 1, " other threads)") : std::string();
    return Error::refused(cat("thread ", first.tid, comm ? cat(" (", comm->substr(0, comm->find('\n')), ")") : "", more,
                              " does not leave ", query_.names[first.function],
                              first.blocked ? ", where it waits in a system call" : ""))
        .with_next(version_ == Version::new_code ? cat(kTryLater, "; one that never returns (a main loop, the start of a thread) comes with a restart of the "
                                                       "coldpatched program, or its author leaves it as it is: suture build --leave ", query_.names[first.function])
                                                 : std::string(kTryLater));
  }

  // Takes gates out again; the process is then as before.
  Error give_up(Error why) {
    if (!gates_in_) return why;
    constexpr uint64_t kPatienceMs = 1000;
    Status done = world_.stop(Deadline::in_ms(kPatienceMs));
    if (done) {
      const Result<EntryReport> entries = read_entries(session_.process, transaction_);
      const Version before = version_ == Version::new_code ? Version::old_code : Version::new_code;
      done = entries ? board_.switch_to(before, *entries) : Status(entries.error());
      if (done) done = board_.settle(before);
      (void)world_.release();
    }
    // Gates that stay in lead to what was there before: slower by a jump, otherwise the same; the next run removes
    // them.
    return std::move(why).with_state(TargetState::restored);
  }

  Session &session_;
  const Transaction &transaction_;
  Version version_;
  Deadline deadline_;
  QuiescenceQuery query_;
  QuiescenceChecker checker_;
  World world_;
  EntryReading reading_;
  Switchboard board_;
  HookRunner hooks_;
  TickClock ticks_;
  SwitchReport report_;
  std::vector<ThreadInside> inside_;
  std::optional<Error> last_problem_;
  Next next_ = Next::back_off;
  std::vector<pid_t> waiting_;
  std::set<size_t> nested_;  // functions (as the query names them) that a thread inside calls
  uint64_t window_us_ = 0;
  uint64_t spent_us_ = 0;
  uint64_t budget_us_ = kFirstBudgetUs;
  uint64_t back_off_us_ = 0;
  bool gates_in_ = false;
  bool can_settle_later_ = false;
  bool switched_ = false;
  std::minstd_rand random_{static_cast<uint32_t>(now_ns())};
};

}  // namespace

Result<SwitchReport> stop_and_switch(Session &session, const Transaction &transaction, Version version,
                                     const SwitchOptions &options) {
  if (transaction.function_count() > 1 && !transaction.every_function_has_a_gate()) {
    for (const Record &unit : transaction.units)
      for (const RecordFunction &function : unit.functions)
        if (!function.has_gate())
          return Error::refused(
              cat(function.name,
                  ": its first instructions cannot be moved, so it cannot be switched together with others"));
  }
  std::vector<Process> sharers = TRY(find_memory_sharers(session.process));
  const ChildSignalBlock signals;
  return Switcher(session, transaction, version, options, std::move(sharers)).run();
}

}  // namespace suture
