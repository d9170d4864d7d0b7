#include "process/world.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>

#include "base/cat.h"
#include "process/interrupted_call.h"

namespace suture {
namespace {

// A target that makes threads faster than they are stopped is a refusal, not a hang.
constexpr int kMaxPasses = 50;
// For how long a stop waits for threads without giving up the processor: waking up takes longer than most stops. No
// longer than that, as under real-time priority it may be the processor that a thread waits for.
constexpr uint64_t kSpinUs = 100;

std::string describe(const Process &process, pid_t tid) {
  const Result<std::string> stat = process.task_text(tid, "stat");
  const std::optional<StatFields> fields = stat ? parse_stat(*stat) : std::nullopt;
  const Result<std::string> comm = process.task_text(tid, "comm");
  const std::string name = comm ? comm->substr(0, comm->find('\n')) : std::string("?");
  const bool uninterruptible = fields && fields->state == 'D';
  return cat("thread ", tid, " (", name, ") does not stop",
             uninterruptible ? ": it is in an uninterruptible wait (a vfork parent, or disk or network storage)" : "");
}

}  // namespace

World::World(const Process &process, std::vector<Process> sharers) : process_(process), sharers_(std::move(sharers)) {}

World::~World() {
  if (stopped_) (void)release();  // success paths have called it
}

Result<size_t> World::seize_new() {
  size_t added = 0;
  std::vector<pid_t> tids = TRY(process_.tasks());
  for (const Process &sharer : sharers_)
    if (const Result<std::vector<pid_t>> more = sharer.tasks()) tids.insert(tids.end(), more->begin(), more->end());
  for (const pid_t tid : tids) {
    if (tracees_.contains(tid)) continue;
    Result<std::optional<Tracee>> tracee = Tracee::seize(tid);
    if (!tracee) {
      // A leader that has exited before its threads cannot be attached and runs nothing.
      const Result<std::string> stat = process_.task_text(tid, "stat");
      const std::optional<StatFields> fields = stat ? parse_stat(*stat) : std::nullopt;
      if (!fields || fields->state == 'Z' || fields->state == 'X') continue;
      return std::move(tracee).error();
    }
    if (!*tracee) continue;
    tracees_.emplace(tid, std::move(**tracee));
    ++added;
  }
  return added;
}

Status World::seize_all() {
  for (int pass = 0; pass < kMaxPasses; ++pass)
    if (TRY(seize_new()) == 0) return {};
  return Error::refused("the process makes threads faster than they can be attached to");
}

Status World::begin_stop() {
  if (stopped_) return {};
  stop_began_ns_ = now_ns();
  stopped_ = true;  // from here on ~World lets go of whoever is stopped
  snapshot_.clear();
  snapshot_.reserve(tracees_.size());
  sleeper_count_ = 0;
  for (auto &[tid, tracee] : tracees_)  // kept stopped since the last time
    if (tracee.state() == Tracee::State::stopped) TRY(take_registers(tracee));
  return {};
}

Status World::give_up_stop(Status why) {
  (void)resume();  // the first error is the one to tell
  return why;
}

Status World::stop_sleepers(Deadline deadline) {
  const std::vector<pid_t> tids = sleepers();
  Status done = begin_stop();
  if (done) done = stop_threads(tids, deadline, Deadline{0});
  if (!done) return give_up_stop(std::move(done));
  sleeper_count_ = snapshot_.size();
  return done;
}

Status World::stop(Deadline deadline) {
  Status done = begin_stop();
  if (done) done = stop_all(deadline);
  if (done && snapshot_.empty()) done = Error::failed(cat("process ", process_.pid(), " is gone"));
  return done ? std::move(done) : give_up_stop(std::move(done));
}

Status World::stop_all(Deadline deadline) {
  for (int pass = 0;; ++pass) {
    TRY(stop_threads(running(), deadline, spin_for_us(kSpinUs)));
    if (nobody_new()) return {};
    if (pass == kMaxPasses) return Error::refused("the process makes threads faster than they can be stopped");
    if (TRY(seize_new()) == 0) return {};  // a full pass found nobody new, and whoever could clone is stopped
  }
}

// Interrupted all at once, then waited for in the same order. Those that sleep are not waited for spinning: they may
// wake on our processor.
Status World::stop_threads(const std::vector<pid_t> &tids, Deadline deadline, Deadline spin) {
  for (const pid_t tid : tids) TRY(tracees_.at(tid).interrupt());
  for (const pid_t tid : tids) {
    const auto entry = tracees_.find(tid);
    const Tracee::Waited waited = TRY(entry->second.wait_stop(deadline, spin));
    if (waited == Tracee::Waited::late) return Error::refused(describe(process_, tid));
    if (waited == Tracee::Waited::gone)
      tracees_.erase(entry);
    else
      TRY(take_registers(entry->second));
  }
  if (tracees_.empty()) return Error::failed(cat("process ", process_.pid(), " is gone"));
  return {};
}

// Threads that a look from outside finds blocked in the kernel.
std::vector<pid_t> World::sleepers() const {
  std::vector<pid_t> out;
  for (const pid_t tid : running()) {
    // "running", or the number and arguments of the system call that it is blocked in
    const Result<std::string> call = process_.task_text(tid, "syscall");
    if (call && !call->empty() && call->front() != 'r') out.push_back(tid);
  }
  return out;
}

std::vector<pid_t> World::running() const {
  std::vector<pid_t> out;
  out.reserve(tracees_.size());
  for (const auto &[tid, tracee] : tracees_)
    if (tracee.state() != Tracee::State::stopped) out.push_back(tid);
  return out;
}

// The kernel's own count is one cheap look; listing all threads again is needed only when it differs from ours (new
// threads, or an exited leader).
bool World::nobody_new() const {
  return sharers_.empty() && process_.thread_count() == tracees_.size();
}

Status World::take_registers(Tracee &tracee) {
  Result<Registers> registers = tracee.registers();
  if (!registers) return {};  // killed while stopped: it will not run again
  if (hide_interruption(*registers)) TRY(tracee.set_registers(*registers));
  // Kernel workers of io_uring are listed as threads; they have no user state.
  if (registers->rip == 0 && registers->rsp == 0) return {};
  snapshot_.push_back({tracee.tid(), *registers});
  return {};
}

Status World::resume() {
  return resume_except({});
}

// Those that ran when they were stopped go on first: for them it was a pause.
template <typename LetGo>
Status World::for_each_awake_first(LetGo let_go) {
  Status first;
  const auto note = [&](Status done) {
    if (!done && first) first = std::move(done);
  };
  for (size_t i = sleeper_count_; i < snapshot_.size(); ++i)
    if (const auto entry = tracees_.find(snapshot_[i].tid); entry != tracees_.end()) note(let_go(entry->second));
  for (auto &[tid, tracee] : tracees_) note(let_go(tracee));
  return first;
}

Status World::resume_except(const std::vector<pid_t> &kept) {
  Status first = for_each_awake_first([&](Tracee &tracee) -> Status {
    if (tracee.state() != Tracee::State::stopped) return {};
    if (std::find(kept.begin(), kept.end(), tracee.tid()) != kept.end()) return {};
    return tracee.resume();
  });
  stopped_ = false;
  last_stop_ns_ = now_ns() - stop_began_ns_;
  return first;
}

Status World::wait_running(Deadline until) {
  constexpr uint64_t kPollNs = 1000000;
  for (;;) {
    bool owed = false;
    for (auto &[tid, tracee] : tracees_) {
      if (!tracee.owes_a_stop() || tracee.state() == Tracee::State::gone) continue;
      if (TRY(tracee.wait_stop(Deadline{0})) == Tracee::Waited::stopped) TRY(tracee.resume());
      owed = owed || tracee.owes_a_stop();
    }
    const uint64_t left = until.left_ns();
    if (left == 0) return {};
    const uint64_t slice = owed && left > kPollNs ? kPollNs : left;
    const timespec wait{static_cast<time_t>(slice / 1000000000u), static_cast<long>(slice % 1000000000u)};
    (void)::nanosleep(&wait, nullptr);  // waking early only polls early
  }
}

Status World::release() {
  Status first = for_each_awake_first(
      [](Tracee &tracee) -> Status { return tracee.state() == Tracee::State::stopped ? tracee.detach() : Status(); });
  if (stopped_) last_stop_ns_ = now_ns() - stop_began_ns_;
  stopped_ = false;
  tracees_.clear();  // those that run are stopped for a moment to be detached
  return first;
}

Tracee *World::any_stopped() {
  for (auto &[tid, tracee] : tracees_)
    if (tracee.state() == Tracee::State::stopped) return &tracee;
  return nullptr;
}

Tracee World::lend(pid_t tid) {
  const auto found = tracees_.find(tid);
  assert(found != tracees_.end());
  Tracee out = std::move(found->second);
  tracees_.erase(found);
  return out;
}

void World::take(Tracee tracee) {
  const pid_t tid = tracee.tid();
  tracees_.emplace(tid, std::move(tracee));
}

RealTimePriority::RealTimePriority() {
  old_policy_ = ::sched_getscheduler(0);
  sched_param old{};
  if (old_policy_ < 0 || ::sched_getparam(0, &old) != 0) return;
  old_priority_ = old.sched_priority;
  if (old_policy_ == SCHED_FIFO || old_policy_ == SCHED_RR) return;
  const sched_param wanted{.sched_priority = 1};
  raised_ = ::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &wanted) == 0;
}

RealTimePriority::~RealTimePriority() {
  if (!raised_) return;
  const sched_param old{.sched_priority = old_priority_};
  (void)::sched_setscheduler(0, old_policy_, &old);  // nothing to be done about a failure
}

}  // namespace suture
