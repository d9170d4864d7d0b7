// Processes whose threads are in unusual places. Numbers in comments are the rows of docs/hazards.md.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/cat.h"
#include "base/file.h"
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
  for (const auto &task : std::filesystem::directory_iterator(cat("/proc/", target.pid(), "/task"))) threads += task.exists() ? 1 : 0;
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
