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

Status World::stop(Deadline deadline) {
  stop_began_ns_ = now_ns();
  stopped_ = true;  // from here on ~World lets go of whoever is stopped
  Status done = stop_seized(deadline);
  for (int pass = 0; done && !nobody_new(); ++pass) {
    if (pass == kMaxPasses) {
      done = Error::refused("the process makes threads faster than they can be stopped");
      break;
    }
    const Result<size_t> added = seize_new();
    if (!added)
      done = added.error();
    else if (*added == 0)
      break;  // a full pass found nobody new, and whoever could clone is stopped
    else
      done = stop_seized(deadline);
  }
  if (done) done = take_registers();
  if (done) return {};
  (void)resume();  // the first error is the one to tell
  return done;
}

Status World::stop_seized(Deadline deadline) {
  for (auto &[tid, tracee] : tracees_)
    if (tracee.state() != Tracee::State::gone) TRY(tracee.interrupt());
  for (auto &[tid, tracee] : tracees_) {
    if (tracee.state() == Tracee::State::gone) continue;
    const Tracee::Waited waited = TRY(tracee.wait_stop(deadline));
    if (waited == Tracee::Waited::late) return Error::refused(describe(process_, tid));
  }
  forget_gone();
  if (tracees_.empty()) return Error::failed(cat("process ", process_.pid(), " is gone"));
  return {};
}

void World::forget_gone() {
  std::erase_if(tracees_, [](const auto &entry) { return entry.second.state() == Tracee::State::gone; });
}

// The kernel's own count is one cheap read; listing all threads again is needed only when it differs from ours (new
// threads, or an exited leader).
bool World::nobody_new() const {
  if (!sharers_.empty()) return false;
  const Result<std::string> status = process_.proc_text("status");
  return status && status_number(*status, "Threads") == tracees_.size();
}

Status World::take_registers() {
  snapshot_.clear();
  snapshot_.reserve(tracees_.size());
  for (auto &[tid, tracee] : tracees_) {
    Result<Registers> registers = tracee.registers();
    if (!registers) continue;  // killed while stopped: it will not run again
    if (hide_interruption(*registers)) TRY(tracee.set_registers(*registers));
    // Kernel workers of io_uring are listed as threads; they have no user state.
    if (registers->rip == 0 && registers->rsp == 0) continue;
    snapshot_.push_back({tid, *registers});
  }
  if (snapshot_.empty()) return Error::failed(cat("process ", process_.pid(), " is gone"));
  return {};
}

Status World::resume() {
  return resume_except({});
}

Status World::resume_except(const std::vector<pid_t> &kept) {
  Status first;
  for (auto &[tid, tracee] : tracees_) {
    if (std::find(kept.begin(), kept.end(), tid) != kept.end()) continue;
    Status done = tracee.resume();
    if (!done && first) first = std::move(done);
  }
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
  Status first;
  for (auto &[tid, tracee] : tracees_) {
    if (tracee.state() != Tracee::State::stopped) continue;
    Status done = tracee.detach();
    if (!done && first) first = std::move(done);
  }
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
