// What apply and revert promise, on real processes.
#include <gtest/gtest.h>
#include <unistd.h>

#include "apply/apply.h"
#include "support/target_program.h"

namespace suture {
namespace {

using Outcome = ApplyReport::Outcome;

Result<ApplyReport> apply(const HotImage &image, pid_t pid, ApplyOptions options = {}) {
  return apply_hot({&image}, pid, options);
}

// It goes on, and every value and call was right.
void expect_nothing_wrong(TargetProgram &target) {
  EXPECT_TRUE(target.makes_progress());
  EXPECT_EQ(target.ask("report")["wrong"], 0);
}

// As well, no thread got the old value after the new one. Gives the report.
std::map<std::string, long> expect_switched_for_good(TargetProgram &target) {
  EXPECT_TRUE(target.makes_progress());
  std::map<std::string, long> counts = target.ask("report");
  EXPECT_EQ(counts["wrong"], 0);
  EXPECT_EQ(counts["old_after_new"], 0);
  return counts;
}

#define ASSERT_APPLIED(result) ASSERT_TRUE((result).has_value()) << (result).error().text()

TEST(Apply, ChangesTheAnswerOfAnIdleProcess) {
  TargetProgram target("worker", {"idle", "1"});
  const HotImage hot = make_hot_image("worker", "idle-1", {{"answer", 2, {}}});
  EXPECT_EQ(target.ask("report")["answer"], 1);
  const Result<ApplyReport> report = apply(hot, target.pid());
  ASSERT_APPLIED(report);
  EXPECT_EQ(report->outcome, Outcome::applied);
  EXPECT_EQ(target.ask("report")["answer"], 2);
}

TEST(Apply, RevertRestoresEveryByteAndMapping) {
  TargetProgram target("worker", {"idle", "1"});
  const HotImage hot = make_hot_image("worker", "revert-1", {{"answer", 2, {}}});
  const std::string before = target.maps();
  ASSERT_APPLIED(apply(hot, target.pid()));
  EXPECT_NE(target.maps().find("suture:revert-1"), std::string::npos) << target.maps();
  const Result<ApplyReport> report = revert_hot("revert-1", target.pid(), {});
  ASSERT_APPLIED(report);
  EXPECT_EQ(report->reason, "");
  EXPECT_EQ(target.ask("report")["answer"], 1);
  EXPECT_EQ(target.maps(), before);
}

TEST(Apply, SwitchesSpinningThreadsOnceAndForGood) {
  TargetProgram target("worker", {"spin", "4"});
  const HotImage hot = make_hot_image("worker", "spin-1", {{"answer", 2, {}}});
  ASSERT_APPLIED(apply(hot, target.pid()));
  EXPECT_GT(expect_switched_for_good(target)["new"], 0);
  ASSERT_APPLIED(revert_hot("spin-1", target.pid(), {}));
  expect_nothing_wrong(target);
  EXPECT_EQ(target.ask("report")["answer"], 1);
}

TEST(Apply, PatchesAFunctionThatIsHotOnEveryThread) {
  TargetProgram target("worker", {"hot", "6"});
  const HotImage hot = make_hot_image("worker", "hot-1", {{"slow", 2, {}}});
  const Result<ApplyReport> report = apply(hot, target.pid());
  ASSERT_APPLIED(report);
  expect_switched_for_good(target);
}

TEST(Apply, PatchesNestedFunctionsTogether) {
  TargetProgram target("worker", {"nested", "4"});
  const HotImage hot = make_hot_image("worker", "nested-1", {{"outer", 2, {}}, {"inner", 12, {}}});
  const Result<ApplyReport> report = apply(hot, target.pid());
  ASSERT_APPLIED(report);
  expect_nothing_wrong(target);
  ASSERT_APPLIED(revert_hot("nested-1", target.pid(), {}));
  expect_nothing_wrong(target);
}

// A thread whose next instruction is in the inner function is inside the outer one: held at the inner one, it would never leave.
TEST(Apply, LetsCallsWithinAFunctionThatIsLeftThrough) {
  TargetProgram target("worker", {"nested_busy", "6"});
  const HotImage hot = make_hot_image("worker", "nested-2", {{"busy_outer", 2, {}}, {"busy_inner", 12, {}}});
  const Result<ApplyReport> report = apply(hot, target.pid());
  ASSERT_APPLIED(report);
  EXPECT_LT(report->attempts, 100U);  // ten or so
  expect_nothing_wrong(target);
  ASSERT_APPLIED(revert_hot("nested-2", target.pid(), {}));
  expect_nothing_wrong(target);
}

// Hundreds of calls of the very function are needed before the first is left, and at no instant has every thread left it.
TEST(Apply, PatchesARecursiveFunctionThatIsHotOnEveryThread) {
  TargetProgram target("worker", {"recursive_busy", "6"});
  const HotImage hot = make_hot_image("worker", "recursive-1", {{"busy_recursive", 2, {}}});
  const Result<ApplyReport> report = apply(hot, target.pid());
  ASSERT_APPLIED(report);
  expect_switched_for_good(target);
}

TEST(Apply, PatchesAFunctionThatMostlyWaits) {
  TargetProgram target("worker", {"blocked", "2"});
  const HotImage hot = make_hot_image("worker", "blocked-1", {{"waiting", 2, {}}});
  ASSERT_APPLIED(apply(hot, target.pid()));
  expect_nothing_wrong(target);
}

TEST(Apply, RefusesAFunctionThatNeverReturnsNamingThreadAndFunction) {
  TargetProgram target("worker", {"forever", "1"});
  const HotImage hot = make_hot_image("worker", "forever-1", {{"forever", 2, {}}});
  for (int tries = 0; target.ask("report")["inside"] == 0 && tries < 5000; ++tries) ::usleep(1000);
  const std::string before = target.maps();
  ApplyOptions options;
  options.timeout_ms = 300;
  const Result<ApplyReport> report = apply(hot, target.pid(), options);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().verdict(), Verdict::refused);
  EXPECT_NE(report.error().what().find("forever"), std::string::npos) << report.error().text();
  EXPECT_EQ(target.maps(), before);
  EXPECT_EQ(target.ask("report")["answer"], 1);
}

TEST(Apply, SwitchesTwoFunctionsAtOneInstant) {
  const HotImage hot = make_hot_image("worker", "pair-1", {{"answer", 2, {}}, {"second", 12, {}}});
  for (int i = 0; i < 5; ++i) {
    // One process for each: a revert between a thread's two calls gives it one of each, and rightly.
    TargetProgram target("worker", {"pair", "3"});
    ASSERT_APPLIED(apply(hot, target.pid()));
    EXPECT_TRUE(target.makes_progress());
    EXPECT_EQ(target.ask("report")["second"], 12);
    EXPECT_EQ(target.ask("report")["torn"], 0);
    ASSERT_APPLIED(revert_hot("pair-1", target.pid(), {}));
    EXPECT_EQ(target.ask("report")["second"], 11);
  }
}

TEST(Apply, ThreadsInSystemCallsNoticeNothing) {
  TargetProgram target("worker", {"sleepers", "9"});
  const HotImage hot = make_hot_image("worker", "sleepers-1", {{"answer", 2, {}}});
  for (int i = 0; i < 5; ++i) {
    ASSERT_APPLIED(apply(hot, target.pid()));
    ASSERT_APPLIED(revert_hot("sleepers-1", target.pid(), {}));
  }
  EXPECT_EQ(target.ask("report")["wrong"], 0);
}

TEST(Apply, SaysAlreadyTheSecondTime) {
  TargetProgram target("worker", {"idle", "1"});
  const HotImage hot = make_hot_image("worker", "already-1", {{"answer", 2, {}}});
  ASSERT_APPLIED(apply(hot, target.pid()));
  const Result<ApplyReport> again = apply(hot, target.pid());
  ASSERT_APPLIED(again);
  EXPECT_EQ(again->outcome, Outcome::already);
}

TEST(Apply, RecordsWhatIsAppliedInTheTarget) {
  TargetProgram target("worker", {"idle", "1"});
  const HotImage hot = make_hot_image("worker", "record-1", {{"answer", 2, {}}});
  ASSERT_APPLIED(apply(hot, target.pid()));
  const Result<std::vector<AppliedPatch>> applied = read_applied(target.pid());
  ASSERT_TRUE(applied.has_value()) << applied.error().text();
  ASSERT_EQ(applied->size(), 1u);
  EXPECT_EQ(applied->front().id, "record-1");
  EXPECT_EQ(applied->front().state, AppliedPatch::State::applied);
  ASSERT_EQ(applied->front().functions.size(), 1u);
  EXPECT_EQ(applied->front().functions[0].name, "answer");
  EXPECT_LE(applied->front().mapped_bytes, 3 * kPageBytes);
}

TEST(Apply, StacksSeveralPatchesOnOneFunctionAndRevertsThemInReverseOrder) {
  TargetProgram target("worker", {"spin", "2"});
  const HotImage first = make_hot_image("worker", "stack-1", {{"answer", 2, {}}});
  const HotImage next = make_hot_image("worker", "stack-2", {{"answer", 3, {}}});
  ASSERT_APPLIED(apply(first, target.pid()));
  ASSERT_APPLIED(apply(next, target.pid()));
  EXPECT_EQ(target.ask("report")["answer"], 3);
  const Result<ApplyReport> wrong_order = revert_hot("stack-1", target.pid(), {});
  ASSERT_FALSE(wrong_order.has_value());
  EXPECT_NE(wrong_order.error().what().find("stack-2"), std::string::npos);
  ASSERT_APPLIED(revert_hot("stack-2", target.pid(), {}));
  EXPECT_EQ(target.ask("report")["answer"], 2);
  ASSERT_APPLIED(revert_hot("stack-1", target.pid(), {}));
  EXPECT_EQ(target.ask("report")["answer"], 1);
}

TEST(Apply, LetsExceptionsPassThroughNewCode) {
  TargetProgram target("thrower", {});
  Replacement through{"answer", 0, {}};
  through.calls = "throw_it";
  const HotImage hot = make_hot_image("thrower", "thrower-1", {through});
  EXPECT_EQ(target.ask("report")["answer"], 1);
  const Result<ApplyReport> report = apply(hot, target.pid());
  ASSERT_APPLIED(report);
  EXPECT_EQ(report->reason, "");
  EXPECT_EQ(target.ask("report")["caught"], 42);
  EXPECT_EQ(target.ask("report")["caught"], 42);
  ASSERT_APPLIED(revert_hot("thrower-1", target.pid(), {}));
  EXPECT_EQ(target.ask("report")["answer"], 1);
  EXPECT_EQ(target.maps().find("suture"), std::string::npos) << target.maps();
}

}  // namespace
}  // namespace suture
