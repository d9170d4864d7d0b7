// Author code in running processes: hooks at the safe point, and shadow data.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apply/apply.h"
#include "support/author_patch.h"
#include "support/target_program.h"

namespace suture {
namespace {

// What every patch here needs of the target.
const std::string kTarget = R"(
struct session { long number; long used; };
extern long calls;
extern volatile long let, hook_log;
extern long held;
static void note(int digit) { hook_log = hook_log * 10 + digit; }
)";
// Uses are counted from 1000, so that new code is told from old.
const std::string kNewUse = "long new_use_session(struct session *s) { return 1000 + ++s->used; }\n";

Result<ApplyReport> apply(const HotImage &hot, const TargetProgram &target) { return apply_hot({&hot}, target.pid(), {}); }
Result<ApplyReport> revert(const HotImage &hot, const TargetProgram &target) { return revert_hot(hot.patch_id, target.pid(), {}); }
#define ASSERT_DONE(result) ASSERT_TRUE((result).has_value()) << (result).error().text()

bool says(const Error &error, const std::string &text) { return error.text().find(text) != std::string::npos; }

const std::string kFourHooks = kTarget + kNewUse + R"(
static int one(void) { note(1); return let == 1; }
static int two(void) { note(2); return let == 2; }
static int three(void) { note(3); return let == 3; }
static int four(void) { note(4); return let == 4; }
SUTURE_PRE_APPLY(one);
SUTURE_POST_APPLY(two);
SUTURE_PRE_REVERT(three);
SUTURE_POST_REVERT(four);
)";

// Memory is compared where no thread is hot in what is replaced: threads that wait at its gates would be in it at the end.
TEST(Hooks, RunOnceEachAroundApplyAndRevert) {
  TargetProgram target("sessions", {"0"});
  const HotImage hot = make_author_patch("sessions", "hooks-order", kFourHooks);
  const std::string before = target.maps();
  for (const long log : {12, 1234, 123412, 12341234}) {
    const bool applying = log % 10 == 2;
    const Result<ApplyReport> report = applying ? apply(hot, target) : revert(hot, target);
    ASSERT_DONE(report);
    EXPECT_EQ(report->reason.find("hook"), std::string::npos) << report->reason;
    EXPECT_EQ(target.ask("report")["log"], log);
    EXPECT_EQ(target.ask("use 1")["value"] > 1000, applying);
  }
  EXPECT_EQ(target.maps(), before);
}

TEST(Hooks, FindAllOtherThreadsStopped) {
  TargetProgram target("sessions", {"6"});
  const HotImage hot = make_author_patch("sessions", "hooks-stopped", kTarget + R"(
static int watch(void) {
  const long before = __atomic_load_n(&calls, __ATOMIC_SEQ_CST);
  for (int i = 0; i < 5000000; ++i) __asm__ volatile("");
  return __atomic_load_n(&calls, __ATOMIC_SEQ_CST) != before;
}
SUTURE_PRE_APPLY(watch);
)" + kNewUse);
  ASSERT_TRUE(target.makes_progress());
  ASSERT_DONE(apply(hot, target));
  EXPECT_GT(target.ask("use 1")["value"], 1000);
  EXPECT_TRUE(target.makes_progress());
}

TEST(Hooks, ThatRefuseBeforeTheSwitchLeaveTheProcessAsItWas) {
  TargetProgram target("sessions", {"2"});
  const HotImage hot = make_author_patch("sessions", "hooks-refuse", kFourHooks);
  const std::string before = target.maps();
  target.ask("let 1");
  const Result<ApplyReport> report = apply(hot, target);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().verdict(), Verdict::refused);
  EXPECT_TRUE(says(report.error(), "the pre-apply hook one of hooks-refuse returned 1")) << report.error().text();
  EXPECT_LT(target.ask("use 1")["value"], 1000);
  EXPECT_EQ(target.ask("report")["log"], 14) << "post-revert undoes what pre-apply did";
  EXPECT_EQ(target.maps(), before);
  target.ask("let 0");
  ASSERT_DONE(apply(hot, target));
  EXPECT_EQ(target.ask("report")["log"], 1412);
}

TEST(Hooks, ThatRefuseBehindTheSwitchTakeItBack) {
  TargetProgram target("sessions", {"0"});
  const HotImage hot = make_author_patch("sessions", "hooks-refuse-late", kFourHooks);
  const std::string before = target.maps();
  target.ask("let 2");
  const Result<ApplyReport> report = apply(hot, target);
  ASSERT_FALSE(report.has_value());
  EXPECT_TRUE(says(report.error(), "the post-apply hook two")) << report.error().text();
  EXPECT_LT(target.ask("use 1")["value"], 1000);
  EXPECT_EQ(target.ask("report")["log"], 124);
  EXPECT_EQ(target.maps(), before);
}

TEST(Hooks, ThatRefuseARevertAreAskedAgainAtTheNext) {
  TargetProgram target("sessions", {"2"});
  const HotImage hot = make_author_patch("sessions", "hooks-stay", kFourHooks);
  ASSERT_DONE(apply(hot, target));
  target.ask("let 3");
  const Result<ApplyReport> report = revert(hot, target);
  ASSERT_FALSE(report.has_value());
  EXPECT_TRUE(says(report.error(), "the pre-revert hook three")) << report.error().text();
  EXPECT_GT(target.ask("use 1")["value"], 1000) << "still applied";
  const Result<ApplyReport> again = apply(hot, target);
  ASSERT_DONE(again);
  EXPECT_EQ(again->outcome, ApplyReport::Outcome::already);
  target.ask("let 0");
  ASSERT_DONE(revert(hot, target));
  EXPECT_EQ(target.ask("report")["log"], 12334);
  EXPECT_LT(target.ask("use 1")["value"], 1000);
}

TEST(Hooks, BehindARevertAreReportedAndNotHeeded) {
  TargetProgram target("sessions", {"1"});
  const HotImage hot = make_author_patch("sessions", "hooks-note", kFourHooks);
  ASSERT_DONE(apply(hot, target));
  target.ask("let 4");
  const Result<ApplyReport> report = revert(hot, target);
  ASSERT_DONE(report);
  EXPECT_NE(report->reason.find("the post-revert hook four of hooks-note returned 1"), std::string::npos) << report->reason;
  EXPECT_LT(target.ask("use 1")["value"], 1000);
}

TEST(Hooks, ThatWaitForAStoppedThreadAreLetGoOnAndThePatchIsRefused) {
  TargetProgram target("sessions", {"3"});
  const HotImage hot = make_author_patch("sessions", "hooks-wait", kTarget + kNewUse + R"(
static int wait(void) {
  let = 3;
  while (!__atomic_load_n(&held, __ATOMIC_SEQ_CST)) __builtin_ia32_pause();
  note(9);
  return 0;
}
SUTURE_PRE_APPLY(wait);
)");
  const std::string before = target.maps();
  const Result<ApplyReport> report = apply(hot, target);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().verdict(), Verdict::refused);
  EXPECT_TRUE(says(report.error(), "did not return within 1000 ms")) << report.error().text();
  EXPECT_TRUE(says(report.error(), "it returned")) << report.error().text();
  EXPECT_EQ(target.ask("report")["log"], 9);
  EXPECT_LT(target.ask("use 1")["value"], 1000);
  EXPECT_TRUE(target.makes_progress());
  EXPECT_EQ(target.maps(), before);
}

TEST(Hooks, ThatNeverReturnAreToldWithTheirThread) {
  TargetProgram target("sessions", {"2"});
  const HotImage hot = make_author_patch("sessions", "hooks-hang", kTarget + kNewUse + R"(
static int hang(void) {
  while (let != 5) __builtin_ia32_pause();
  return 0;
}
SUTURE_PRE_APPLY(hang);
)");
  ApplyOptions options;
  options.timeout_ms = 300;
  const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), options);
  ASSERT_FALSE(report.has_value());
  EXPECT_TRUE(says(report.error(), "is still running on thread")) << report.error().text();
  EXPECT_TRUE(target.alive());
  // The other threads work on, in the old code.
  const HotImage other = make_author_patch("sessions", "hooks-other", kTarget + kNewUse);
  EXPECT_FALSE(apply_hot({&other}, target.pid(), options).has_value()) << "what is left of the first must go first";
}

TEST(Hooks, MayNotMakeOrEndProcessesAndThreads) {
  TargetProgram target("sessions", {"1"});
  const HotImage hot = make_author_patch("sessions", "hooks-fork", kTarget + kNewUse + R"(
static int try_all(void) {
  static const long numbers[] = {56, 57, 58, 59, 60, 231, 322, 435};
  unsigned i;
  for (i = 0; i < sizeof numbers / sizeof numbers[0]; ++i)
    if (suture_call_(numbers[i], 0, 0, 0, 0, 0) != -38) return 100 + (int)i;
  return suture_call_(39, 0, 0, 0, 0, 0) > 0 ? 0 : 1; /* getpid */
}
SUTURE_PRE_APPLY(try_all);
)");
  const Result<ApplyReport> report = apply(hot, target);
  ASSERT_DONE(report);
  EXPECT_TRUE(target.alive());
  EXPECT_GT(target.ask("use 1")["value"], 1000);
}

TEST(Hooks, AloneMakeAPatchThatReplacesNothing) {
  TargetProgram target("sessions", {"0"});
  const HotImage hot = make_author_patch("sessions", "hooks-only", kTarget + R"(
static int set(void) { note(5); return 0; }
static int unset(void) { note(6); return 0; }
SUTURE_PRE_APPLY(set);
SUTURE_POST_REVERT(unset);
)");
  ASSERT_TRUE(hot.redirects.empty());
  const std::string before = target.maps();
  ASSERT_DONE(apply(hot, target));
  EXPECT_EQ(target.ask("report")["log"], 5);
  const Result<ApplyReport> again = apply(hot, target);
  ASSERT_DONE(again);
  EXPECT_EQ(again->outcome, ApplyReport::Outcome::already);
  ASSERT_DONE(revert(hot, target));
  EXPECT_EQ(target.ask("report")["log"], 56);
  EXPECT_EQ(target.maps(), before);
}

TEST(Hooks, DisturbNoThreadThatWaitsInASystemCall) {
  TargetProgram target("worker", {"sleepers", "6"});
  ASSERT_TRUE(target.makes_progress());
  const HotImage hot = make_author_patch("worker", "hooks-calls", "static int nothing(void) { return 0; }\nSUTURE_PRE_APPLY(nothing);\nSUTURE_POST_REVERT(nothing);\n");
  for (int round = 0; round < 10; ++round) {
    ASSERT_DONE(apply(hot, target));
    ASSERT_DONE(revert(hot, target));
  }
  EXPECT_TRUE(target.makes_progress());
  EXPECT_EQ(target.ask("report")["wrong"], 0);
}

// Every session may be used three times after the patch; the count is a field that sessions do not have.
std::string limit_patch(int limit) {
  return kTarget + "enum { USES = 1, LIMIT = " + std::to_string(limit) + R"( };
long new_use_session(struct session *s) {
  int *uses = suture_shadow_get(s, USES, sizeof *uses, 0, 0);
  if (uses == 0) return 0;
  return *uses == LIMIT ? -1 : 1000 + ++*uses;
}
void new_end_session(struct session *s) {
  suture_shadow_free(s, USES);
  s->used = 0;
  s->number += 64;
}
)";
}

TEST(Shadow, FieldsAreAttachedToObjectsThatWereAliveBefore) {
  TargetProgram target("sessions", {"0"});
  const HotImage hot = make_author_patch("sessions", "shadow-1", limit_patch(3));
  const std::string before = target.maps();
  EXPECT_EQ(target.ask("use 5")["value"], 1);
  ASSERT_DONE(apply(hot, target));
  for (const long value : {1001, 1002, 1003, -1, -1}) EXPECT_EQ(target.ask("use 5")["value"], value);
  EXPECT_EQ(target.ask("use 6")["value"], 1001) << "another object";
  target.ask("end 5");
  EXPECT_EQ(target.ask("use 5")["value"], 1001) << "freed with its object";
  const Result<ApplyReport> back = revert(hot, target);
  ASSERT_DONE(back);
  EXPECT_EQ(back->reason, "");
  EXPECT_EQ(target.ask("use 6")["value"], 1) << "the old code knows nothing of it";
  EXPECT_EQ(target.maps(), before) << "table and arenas are gone";
}

TEST(Shadow, IsSharedByPatchesOfOneImageAndGoesWithTheLast) {
  TargetProgram target("sessions", {"0"});
  const std::string before = target.maps();
  const HotImage first = make_author_patch("sessions", "shadow-a", limit_patch(3));
  const HotImage second = make_author_patch("sessions", "shadow-b", limit_patch(5));
  ASSERT_DONE(apply(first, target));
  for (const long value : {1001, 1002, 1003, -1}) EXPECT_EQ(target.ask("use 1")["value"], value);
  ASSERT_DONE(apply(second, target));
  for (const long value : {1004, 1005, -1}) EXPECT_EQ(target.ask("use 1")["value"], value) << "the count goes on";
  ASSERT_DONE(revert(second, target));
  EXPECT_EQ(target.ask("use 2")["value"], 1001);
  EXPECT_NE(target.maps(), before);
  ASSERT_DONE(revert(first, target));
  EXPECT_EQ(target.maps(), before);
}

TEST(Shadow, GoesOnInAPatchThatSupersedesTheOneThatMadeIt) {
  TargetProgram target("sessions", {"0"});
  const std::string before = target.maps();
  const std::string log = R"(
static int leave(void) { note(3); return 0; }
SUTURE_PRE_REVERT(leave);
)";
  const HotImage older = make_author_patch("sessions", "shadow-old", limit_patch(3) + log);
  HotImage newer = make_author_patch("sessions", "shadow-new", limit_patch(5) + log);
  newer.supersedes = {"shadow-old"};
  ASSERT_DONE(apply(older, target));
  for (const long value : {1001, 1002, 1003, -1}) EXPECT_EQ(target.ask("use 1")["value"], value);
  ASSERT_DONE(apply(newer, target));
  EXPECT_EQ(target.ask("report")["log"], 0) << "a superseded patch is not reverted: its hooks do not run";
  for (const long value : {1004, 1005, -1}) EXPECT_EQ(target.ask("use 1")["value"], value) << "the count goes on";
  ASSERT_DONE(revert(newer, target));
  EXPECT_EQ(target.ask("use 1")["value"], 1006) << "and stays, in the older patch's code";
  ASSERT_DONE(revert(older, target));
  EXPECT_EQ(target.ask("report")["log"], 33);
  EXPECT_EQ(target.maps(), before);
}

TEST(Shadow, IsUsedByManyThreadsWhilePatchesComeAndGo) {
  TargetProgram target("sessions", {"6"});
  const HotImage hot = make_author_patch("sessions", "shadow-threads", limit_patch(3));
  for (int round = 0; round < 5; ++round) {
    ASSERT_DONE(apply(hot, target));
    EXPECT_TRUE(target.makes_progress());
    EXPECT_EQ(target.ask("end 5")["done"], 1);
    for (const long value : {1001, 1002, 1003, -1}) EXPECT_EQ(target.ask("use 5")["value"], value);
    ASSERT_DONE(revert(hot, target));
    EXPECT_TRUE(target.makes_progress());
  }
  EXPECT_EQ(target.ask("report")["wrong"], 0) << "no memory for shadow data";
}

TEST(Shadow, CanBeMadeByAHookForWhatExistsAndFoldedBackAtRevert) {
  TargetProgram target("sessions", {"2"});
  const HotImage hot = make_author_patch("sessions", "shadow-hooks", limit_patch(3) + R"(
static struct session probe;
static int give(void) {
  int *uses = suture_shadow_get(&probe, USES, sizeof *uses, 0, 0);
  if (uses == 0) return 1;
  *uses = 7;
  return 0;
}
static int add(void *object, void *data, void *argument) {
  (void)object;
  *(long *)argument += *(int *)data;
  return 0;
}
static int fold(void) {
  long sum = 0;
  suture_shadow_each(USES, add, &sum);
  hook_log = sum;
  return 0;
}
SUTURE_PRE_APPLY(give);
SUTURE_PRE_REVERT(fold);
)");
  TargetProgram idle("sessions", {"0"});
  ASSERT_DONE(apply(hot, idle));
  for (int i = 0; i < 3; ++i) idle.ask("use 1");
  ASSERT_DONE(revert(hot, idle));
  EXPECT_EQ(idle.ask("report")["log"], 10);
  ASSERT_DONE(apply(hot, target));
  EXPECT_TRUE(target.makes_progress());
  ASSERT_DONE(revert(hot, target));
}

}  // namespace
}  // namespace suture
