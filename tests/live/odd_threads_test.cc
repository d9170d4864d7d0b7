// Processes whose threads are in unusual places. Numbers in comments are the rows of docs/hazards.md.
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/cat.h"
#include "base/file.h"
#include "process/process.h"
#include "process/tracee.h"
#include "support/outcome.h"

namespace suture {
namespace {

HotImage replacement(const std::string &function, int value = 2) {
  return make_hot_image("odd_threads", "odd-threads", {{function, value, {}}});
}

ApplyOptions within_ms(uint64_t timeout) {
  ApplyOptions options;
  options.timeout_ms = timeout;
  return options;
}

// As long as a thread waits in the function the patch is refused, by its name; afterwards it applies.
void expect_refused_until_it_returns(TargetProgram &target, const HotImage &hot, std::string_view words) {
  expect_refused_untouched(target, hot, words, within_ms(300));
  EXPECT_EQ(target.ask("report")["calls"], 0);
  target.ask("go");
  for (int tries = 0; target.ask("report")["calls"] == 0 && tries < 2000; ++tries) ::usleep(1000);
  EXPECT_EQ(target.ask("report")["calls"], 1);
  const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
  ASSERT_TRUE(report.has_value()) << report.error().text();
}

TEST(OddThreads, AWriteThatIsCutShortSaysWhatItMoved) {  // 2
  TargetProgram target("odd_threads", {"partial_write"});
  const HotImage hot = replacement("answer");
  for (int i = 0; i < 20; ++i) {
    const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
    ASSERT_TRUE(report.has_value()) << report.error().text();
    ASSERT_TRUE(revert_hot(hot.patch_id, target.pid(), {}).has_value());
  }
  EXPECT_TRUE(target.makes_progress());
  EXPECT_EQ(target.ask("report")["wrong"], 0);
}

TEST(OddThreads, SignalsArriveOnceEachHoweverOftenTheProcessIsStopped) {  // 4
  TargetProgram target("odd_threads", {"signals"});
  const HotImage hot = replacement("answer");
  constexpr int kSignals = 4000;
  std::atomic<int> sent = 0;
  std::thread sender([&] {
    while (sent < kSignals)
      if (::sigqueue(target.pid(), SIGRTMIN, {}) == 0) ++sent;
  });
  do {
    const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
    EXPECT_TRUE(report.has_value()) << report.error().text();
    const Result<ApplyReport> back = revert_hot(hot.patch_id, target.pid(), {});
    EXPECT_TRUE(back.has_value()) << back.error().text();
  } while (sent < kSignals && !HasFailure());
  sender.join();
  for (int tries = 0; target.ask("report")["extra"] < kSignals && tries < 2000; ++tries) ::usleep(1000);
  EXPECT_EQ(target.ask("report")["extra"], kSignals);
}

TEST(OddThreads, SigtrapStaysIgnoredAndBlocked) {  // 5
  TargetProgram target("odd_threads", {"no_trap"});
  expect_applied_and_reverted(target, replacement("answer"));
  EXPECT_EQ(target.ask("report")["trap_kept"], 1);
}

TEST(OddThreads, TheParentOfAVforkIsRefusedAtTheDeadline) {  // 8
  TargetProgram target("odd_threads", {"vfork"});
  expect_refused_until_it_returns(target, replacement("answer"), "vfork parent");
}

// A v2 hierarchy of the test's own, mounted where nobody expects it, beside whatever else this machine has.
class UnifiedHierarchy {
 public:
  UnifiedHierarchy() : folder_(*TempDir::create("suture cgroup")) {
    mounted_ = ::mount("none", folder_.path().c_str(), "cgroup2", 0, nullptr) == 0;
    group_ = folder_.path() / cat("suture-test-", ::getpid());
    if (mounted_ && ::mkdir(group_.c_str(), 0755) != 0) group_.clear();
  }
  ~UnifiedHierarchy() {
    if (!mounted_) return;
    if (pid_ != 0) put(folder_.path() / "cgroup.procs", cat(pid_));
    if (!group_.empty()) ::rmdir(group_.c_str());
    ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  bool usable() const { return mounted_ && !group_.empty(); }
  void take(pid_t pid) {
    put(group_ / "cgroup.procs", cat(pid));
    pid_ = pid;
  }
  void freeze() {
    put(group_ / "cgroup.freeze", "1");
    while (read_text(group_ / "cgroup.events")->find("frozen 1") == std::string::npos) ::usleep(1000);
  }
  void thaw() { put(group_ / "cgroup.freeze", "0"); }

 private:
  static void put(const std::filesystem::path &file, const std::string &text) {
    std::ofstream(file) << text << std::flush;
  }
  TempDir folder_;
  std::filesystem::path group_;
  bool mounted_ = false;
  pid_t pid_ = 0;
};

TEST(OddThreads, AProcessFrozenThroughAHierarchyMountedAnywhereIsRefused) {  // 11
  UnifiedHierarchy groups;
  TargetProgram target("odd_threads", {"no_trap"});
  if (!groups.usable()) GTEST_SKIP() << "cannot mount a cgroup v2 hierarchy here";
  groups.take(target.pid());
  const Snapshot before = take_snapshot(target.pid());
  groups.freeze();
  const HotImage hot = replacement("answer");
  const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
  groups.thaw();
  ASSERT_FALSE(report.has_value());
  EXPECT_NE(report.error().text().find("is frozen (cgroup /suture-test-"), std::string::npos) << report.error().text();
  expect_same(before, take_snapshot(target.pid()));
  expect_applied_and_reverted(target, hot);
}

TEST(OddThreads, AJumpAcrossACacheLineIsWrittenWhileThreadsCallIt) {  // 20
  TargetProgram target("odd_threads", {"crossing"});
  const HotImage hot = replacement("crossing");
  ASSERT_EQ(hot.redirects[0].site.value % 64, 61u);
  for (int i = 0; i < 10; ++i) {
    const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
    ASSERT_TRUE(report.has_value()) << report.error().text();
    ASSERT_TRUE(revert_hot(hot.patch_id, target.pid(), {}).has_value());
  }
  EXPECT_TRUE(target.makes_progress());
  EXPECT_EQ(target.ask("report")["wrong"], 0);
}

TEST(OddThreads, ARestartableSequenceIsAbortedAndNotResumed) {  // 22
  TargetProgram target("odd_threads", {"sequence"});
  SKIP_UNLESS_SUPPORTED(target);
  for (int i = 0; i < 5; ++i) expect_applied_and_reverted(target, replacement("answer"));
  EXPECT_TRUE(target.makes_progress());
}

TEST(OddThreads, WorkersOfTheKernelAreLeftAlone) {  // 23
  TargetProgram target("odd_threads", {"io_uring"});
  SKIP_UNLESS_SUPPORTED(target);
  size_t threads = 0;
  for (const auto &task : std::filesystem::directory_iterator(cat("/proc/", target.pid(), "/task")))
    threads += task.exists() ? 1 : 0;
  ASSERT_GT(threads, 1u);
  expect_applied_and_reverted(target, replacement("answer"));
}

TEST(OddThreads, ALeaderThatExitedBeforeItsThreadsIsNoObstacle) {  // 24
  TargetProgram target("odd_threads", {"dead_leader"});
  const std::string stat = cat("/proc/", target.pid(), "/stat");
  while (read_text(stat)->find(") Z") == std::string::npos) ::usleep(1000);
  expect_applied_and_reverted(target, replacement("answer"));
}

TEST(OddThreads, AProcessInTheSameMemoryIsStoppedToo) {  // 25
  TargetProgram target("odd_threads", {"shares_memory"});
  const HotImage both = make_hot_image("odd_threads", "odd-threads", {{"answer", 2, {}}, {"second", 12, {}}});
  for (int i = 0; i < 10; ++i) {
    const Result<ApplyReport> report = apply_hot({&both}, target.pid(), {});
    ASSERT_TRUE(report.has_value()) << report.error().text();
    ASSERT_TRUE(revert_hot(both.patch_id, target.pid(), {}).has_value());
  }
  EXPECT_TRUE(target.makes_progress());
  EXPECT_EQ(target.ask("report")["wrong"], 0);
}

TEST(OddThreads, ThreadsBornMeanwhileAreStoppedToo) {  // 26
  TargetProgram target("odd_threads", {"breeds"});
  const HotImage hot = replacement("answer");
  for (int i = 0; i < 5; ++i) {
    const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
    ASSERT_TRUE(report.has_value()) << report.error().text();
    ASSERT_TRUE(revert_hot(hot.patch_id, target.pid(), {}).has_value());
  }
  EXPECT_TRUE(target.makes_progress());
}

TEST(OddThreads, AHandlerOnAnAlternateStackShowsWhatItInterrupted) {  // 21
  TargetProgram target("odd_threads", {"alternate_stack"});
  expect_refused_until_it_returns(target, replacement("through_pointer"), "through_pointer");
}

TEST(OddThreads, CodeWithoutUnwindInformationHidesNoCaller) {  // 41
  TargetProgram target("odd_threads", {"made_code"});
  expect_refused_until_it_returns(target, replacement("through_pointer"), "through_pointer");
}

// Where the kernel forbids writing to another's memory file; unaligned and across words, as a redirect is.
TEST(OddThreads, WordsAreWrittenThroughTheTracerToo) {  // 38
  TargetProgram target("odd_threads", {"no_trap"});
  const HotImage hot = replacement("answer");
  const Snapshot before = take_snapshot(target.pid());
  const Result<Process> process = Process::open(target.pid());
  ASSERT_TRUE(process.has_value());
  const RunAddr base = process->maps()->all().front().range.begin;
  const RunAddr at(base.value + hot.redirects[0].old_entry.value + 5);
  const Bytes old = *process->read_bytes(at, 16);
  const ChildSignalBlock signals;
  Result<std::optional<Tracee>> tracee = Tracee::seize(target.pid());
  ASSERT_TRUE(tracee.has_value() && tracee->has_value());
  ASSERT_TRUE((*tracee)->interrupt().has_value());
  ASSERT_TRUE((*tracee)->wait_stop(Deadline::in_ms(5000)).has_value());
  const Bytes fresh = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  ASSERT_TRUE((*tracee)->poke(at, fresh).has_value());
  Bytes wanted = old;
  std::copy(fresh.begin(), fresh.end(), wanted.begin());
  EXPECT_EQ(*process->read_bytes(at, 16), wanted);
  ASSERT_TRUE((*tracee)->poke(at, old).has_value());
  ASSERT_TRUE((*tracee)->detach().has_value());
  EXPECT_EQ(target.ask("report")["answer"], 1);
  expect_same(before, take_snapshot(target.pid()));
}

bool is_real_time(pid_t tid) {
  return (::sched_getscheduler(tid) & ~SCHED_RESET_ON_FORK) == SCHED_FIFO;
}

std::vector<pid_t> threads_of(const std::string &process) {
  std::vector<pid_t> out;
  std::error_code gone;
  for (const auto &task : std::filesystem::directory_iterator(cat("/proc/", process, "/task"), gone))
    out.push_back(static_cast<pid_t>(std::stol(task.path().filename().string())));
  return out;
}

TEST(OddThreads, TheToolGoesBeforeAllOthersWhileTheyAreStoppedAndOnlyThen) {  // 43
  TargetProgram target("odd_threads", {"breeds"});
  const HotImage hot = replacement("answer");
  std::atomic<bool> allowed = true, seen = false, done = false;
  std::thread watcher([&] {
    const sched_param above = {2};
    allowed = ::sched_setscheduler(0, SCHED_FIFO, &above) == 0;
    const pid_t self = ::gettid();
    for (; allowed && !done && !seen; ::usleep(20))
      for (const pid_t tid : threads_of("self")) seen = seen || (tid != self && is_real_time(tid));
  });
  constexpr int kMostTries = 200;
  for (int i = 0; i < kMostTries && allowed && !seen && !HasFailure(); ++i) {
    EXPECT_TRUE(apply_hot({&hot}, target.pid(), {}).has_value());
    EXPECT_TRUE(revert_hot(hot.patch_id, target.pid(), {}).has_value());
  }
  done = true;
  watcher.join();
  if (!allowed) GTEST_SKIP() << "no permission to give threads real-time priority";
  EXPECT_TRUE(seen);
  for (const std::string &process : {std::string("self"), std::to_string(target.pid())})
    for (const pid_t tid : threads_of(process)) EXPECT_FALSE(is_real_time(tid)) << process << " " << tid;
}

// Nothing points to its stack, so nothing can know; the old code that it returns into must be there.
TEST(OddThreads, ASuspendedCoroutineFinishesInTheOldCode) {  // 40
  TargetProgram target("odd_threads", {"coroutine"});
  const HotImage hot = replacement("through_pointer");
  const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
  ASSERT_TRUE(report.has_value()) << report.error().text();
  EXPECT_EQ(target.ask("go")["extra"], 100);
  EXPECT_EQ(target.ask("report")["answer"], 1);
}

}  // namespace
}  // namespace suture
