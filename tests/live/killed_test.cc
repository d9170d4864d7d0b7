// The tool is killed in the middle of its work: the target lives, has the whole patch or none of it, and the next run
// puts things in order. In builds with fault points every point is tried; elsewhere kills come at random instants.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <random>
#include <set>

#include "apply/apply.h"
#include "base/file.h"
#include "support/author_patch.h"
#include "support/target_program.h"

namespace suture {
namespace {

constexpr const char *kPatch = "killed";

HotImage pair_patch() {
  return make_hot_image("worker", kPatch, {{"answer", 2, {}}, {"second", 12, {}}});
}
HotImage lone_patch() {
  return make_hot_image("worker", kPatch, {{"answer", 2, {}}});
}

// Runs `work` in a child of its own.
pid_t start(const std::function<void()> &work) {
  const pid_t child = ::fork();
  if (child < 0) std::abort();  // -1 is not for kill()
  if (child != 0) return child;
  work();
  ::_exit(0);
}

bool was_killed(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

// Alive, making progress, not stopped, and wholly old or wholly new.
void expect_whole(TargetProgram &target, const HotImage &hot, const std::string &when) {
  ASSERT_TRUE(target.alive()) << when;
  ASSERT_TRUE(target.makes_progress()) << when;
  std::map<std::string, long> now = target.ask("report");
  EXPECT_EQ(now["wrong_values"], 0) << when;
  EXPECT_TRUE(now["answer"] == 1 || now["answer"] == 2) << when;
  const bool together = hot.redirects.size() < 2 || now["second"] - now["answer"] == 10;
  EXPECT_TRUE(together) << when << ": answer " << now["answer"] << ", second " << now["second"];
}

enum class Memory { goes, may_stay };

void expect_next_run_repairs(TargetProgram &target, const HotImage &hot, const std::string &when, Memory memory = Memory::goes) {
  const Result<ApplyReport> next = apply_hot({&hot}, target.pid(), {});
  ASSERT_TRUE(next.has_value()) << when << ": " << next.error().text();
  EXPECT_EQ(target.ask("report")["answer"], 2) << when;
  const Result<std::vector<AppliedPatch>> applied = read_applied(target.pid());
  ASSERT_TRUE(applied.has_value()) << when;
  EXPECT_EQ(std::count_if(applied->begin(), applied->end(),
                          [](const AppliedPatch &p) { return p.state == AppliedPatch::State::applied; }),
            1)
      << when;
  const Result<ApplyReport> back = revert_hot(kPatch, target.pid(), {});
  ASSERT_TRUE(back.has_value()) << when << ": " << back.error().text();
  EXPECT_EQ(target.ask("report")["answer"], 1) << when;
  if (memory == Memory::goes) {
    EXPECT_EQ(target.maps().find("suture"), std::string::npos) << when << "\n" << target.maps();
  }
  const std::string fds = "/proc/" + std::to_string(target.pid()) + "/fd";
  for (const auto &entry : std::filesystem::directory_iterator(fds)) {
    std::error_code ignored;
    EXPECT_EQ(std::filesystem::read_symlink(entry.path(), ignored).string().find("suture"), std::string::npos) << when;
  }
}

#ifdef SUTURE_FAULT_POINTS

std::set<std::string> points_passed(const std::function<void()> &work) {
  TempDir folder = *TempDir::create("suture-fault");
  const std::string trace = (folder.path() / "trace").string();
  const pid_t child = start([&] {
    ::setenv("SUTURE_FAULT_TRACE", trace.c_str(), 1);
    work();
  });
  ::waitpid(child, nullptr, 0);
  std::set<std::string> out;
  std::ifstream lines(trace);
  for (std::string line; std::getline(lines, line);) out.insert(line);
  return out;
}

void kill_at_every_point(const HotImage &hot, const std::vector<std::string> &arguments, bool in_revert, const std::string &program = "worker") {
  const auto apply = [&](pid_t pid) { (void)apply_hot({&hot}, pid, {}); };
  const auto revert = [&](pid_t pid) { (void)revert_hot(kPatch, pid, {}); };
  std::set<std::string> points;
  {
    TargetProgram target(program, arguments);
    if (in_revert) apply(target.pid());
    points = points_passed([&] { in_revert ? revert(target.pid()) : apply(target.pid()); });
  }
  EXPECT_GT(points.size(), 15u);
  size_t killed = 0;
  for (const std::string &point : points) {
    TargetProgram target(program, arguments);
    if (in_revert) apply(target.pid());
    const pid_t child = start([&] {
      ::setenv("SUTURE_FAULT", point.c_str(), 1);
      in_revert ? revert(target.pid()) : apply(target.pid());
    });
    killed += was_killed(child) ? 1 : 0;  // a point that this run does not come to kills nobody: then the run was whole
    expect_whole(target, hot, point);
    // The unwinder was told to forget the patch's code, or was about to be: what it knows cannot be seen.
    const bool in_forgetting = in_revert && hot.unwinder && (point.starts_with("borrow-") || point.starts_with("release-unwind-marked"));
    expect_next_run_repairs(target, hot, point, in_forgetting ? Memory::may_stay : Memory::goes);
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(killed, points.size() / 2);
}

TEST(Killed, AtEveryPointOfApplyingOneFunction) {
  kill_at_every_point(lone_patch(), {"spin", "2"}, false);
}
TEST(Killed, AtEveryPointOfApplyingTwoFunctions) {
  kill_at_every_point(pair_patch(), {"spin", "2"}, false);
}
TEST(Killed, AtEveryPointOfRevertingOneFunction) {
  kill_at_every_point(lone_patch(), {"spin", "2"}, true);
}
TEST(Killed, AtEveryPointOfRevertingTwoFunctions) {
  kill_at_every_point(pair_patch(), {"spin", "2"}, true);
}
TEST(Killed, AtEveryPointInAProgramWithAnUnwinderOfItsOwn) {
  const HotImage hot = make_hot_image("worker_static", kPatch, {{"answer", 2, {}}});
  ASSERT_TRUE(hot.unwinder.has_value());
  kill_at_every_point(hot, {"spin", "2"}, false, "worker_static");
  kill_at_every_point(hot, {"spin", "2"}, true, "worker_static");
}
// (answer, second): (1, 12) with the older patch, (2, 11) with the one that takes its place.
HotImage older_patch() {
  return make_hot_image("worker", "older", {{"second", 12, {}}});
}
HotImage superseding_patch() {
  HotImage hot = make_hot_image("worker", kPatch, {{"answer", 2, {}}});
  hot.supersedes = {"older"};
  return hot;
}

TEST(Killed, AtEveryPointOfTakingAnotherPatchsPlaceAndOfBringingItBack) {
  const HotImage older = older_patch();
  const HotImage newer = superseding_patch();
  for (const bool in_revert : {false, true}) {
    const auto prepare = [&](pid_t pid) {
      (void)apply_hot({&older}, pid, {});
      if (in_revert) (void)apply_hot({&newer}, pid, {});
    };
    const auto work = [&](pid_t pid) {
      if (in_revert) (void)revert_hot(kPatch, pid, {});
      else (void)apply_hot({&newer}, pid, {});
    };
    TargetProgram first("worker", {"spin", "2"});
    prepare(first.pid());
    for (const std::string &point : points_passed([&] { work(first.pid()); })) {
      TargetProgram target("worker", {"spin", "2"});
      prepare(target.pid());
      was_killed(start([&] {
        ::setenv("SUTURE_FAULT", point.c_str(), 1);
        work(target.pid());
      }));
      ASSERT_TRUE(target.alive() && target.makes_progress()) << point;
      std::map<std::string, long> now = target.ask("report");
      EXPECT_EQ(now["wrong_values"], 0) << point;
      EXPECT_TRUE((now["answer"] == 1 && now["second"] == 12) || (now["answer"] == 2 && now["second"] == 11))
          << point << ": " << now["answer"] << ", " << now["second"];
      ASSERT_TRUE(apply_hot({&newer}, target.pid(), {})) << point;
      EXPECT_EQ(target.ask("report")["second"], 11) << point;
      ASSERT_TRUE(revert_hot(kPatch, target.pid(), {})) << point;
      EXPECT_EQ(target.ask("report")["second"], 12) << point;
      ASSERT_TRUE(revert_hot("older", target.pid(), {})) << point;
      EXPECT_EQ(target.maps().find("suture"), std::string::npos) << point << "\n" << target.maps();
    }
  }
}
TEST(Killed, AtEveryPointWithThreadsInSystemCalls) {
  kill_at_every_point(pair_patch(), {"sleepers", "6"}, false);
}

// Hooks of all kinds, and shadow data. Each hook adds its digit to the target's log.
HotImage author_patch() {
  return make_author_patch("sessions", kPatch, R"(
struct session { long number; long used; };
extern volatile long hook_log;
static int one(void) { hook_log = hook_log * 10 + 1; return 0; }
static int two(void) { hook_log = hook_log * 10 + 2; return 0; }
static int three(void) { hook_log = hook_log * 10 + 3; return 0; }
static int four(void) { hook_log = hook_log * 10 + 4; return 0; }
SUTURE_PRE_APPLY(one);
SUTURE_POST_APPLY(two);
SUTURE_PRE_REVERT(three);
SUTURE_POST_REVERT(four);
long new_use_session(struct session *s) {
  int *uses = (int *)suture_shadow_get(s, 1, sizeof *uses, 0, 0);
  return uses == 0 ? 0 : 1000 + ++*uses;
}
void new_end_session(struct session *s) {
  suture_shadow_free(s, 1);
  s->used = 0;
}
)");
}

// Whatever was killed: the next run comes to the end of it, each hook has run at most once for it, none is left out that
// belongs to what came about, and memory is as at first.
void kill_with_hooks_at_every_point(bool in_revert) {
  const HotImage hot = author_patch();
  const auto apply = [&](pid_t pid) { return apply_hot({&hot}, pid, {}).has_value(); };
  const auto revert = [&](pid_t pid) { return revert_hot(kPatch, pid, {}).has_value(); };
  std::set<std::string> points;
  {
    TargetProgram target("sessions", {"0"});
    if (in_revert) apply(target.pid());
    target.ask("use 1");
    points = points_passed([&] { in_revert ? revert(target.pid()) : apply(target.pid()); });
  }
  EXPECT_TRUE(points.contains("hook-started:2"));
  size_t killed = 0;
  EXPECT_EQ(points.contains("release-shadow:1"), in_revert);
  for (const std::string &point : points) {
    SCOPED_TRACE(point);
    TargetProgram target("sessions", {"0"});
    const std::string before = target.maps();
    if (in_revert) {
      ASSERT_TRUE(apply(target.pid()));
      EXPECT_EQ(target.ask("use 1")["value"], 1001);
    }
    const pid_t child = start([&] {
      ::setenv("SUTURE_FAULT", point.c_str(), 1);
      in_revert ? revert(target.pid()) : apply(target.pid());
    });
    killed += was_killed(child) ? 1 : 0;  // a point that this run does not come to kills nobody: then the run was whole
    const long now = target.ask("use 2")["value"];
    EXPECT_TRUE(now == 1 || now == 1001) << now;
    ASSERT_TRUE(apply(target.pid()));
    EXPECT_GT(target.ask("use 2")["value"], 1000);
    // Taken back first, or gone on with.
    const std::set<long> whole = in_revert ? std::set<long>{12, 123412} : std::set<long>{12, 1412};
    EXPECT_TRUE(whole.contains(target.ask("report")["log"])) << target.ask("report")["log"];
    ASSERT_TRUE(revert(target.pid()));
    EXPECT_EQ(target.ask("report")["log"] % 10000, 1234);
    EXPECT_EQ(target.maps().find("suture"), std::string::npos) << target.maps();
    // Data that was mapped by a run that died before it had mapped the record has no name, and stays.
    if (in_revert) {
      EXPECT_EQ(target.maps(), before);
    }
  }
  EXPECT_GT(killed, points.size() * 9 / 10);
}

TEST(Killed, AtEveryPointOfApplyingWithHooks) {
  kill_with_hooks_at_every_point(false);
}
TEST(Killed, AtEveryPointOfRevertingWithHooks) {
  kill_with_hooks_at_every_point(true);
}

#endif

void kill_at_random(const HotImage &hot, const std::vector<std::string> &arguments, int rounds) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::minstd_rand random(seed);
  TargetProgram target("worker", arguments);
  int killed = 0;
  for (int round = 0; round < rounds; ++round) {
    const pid_t child = start([&] {
      (void)apply_hot({&hot}, target.pid(), {});
      (void)revert_hot(kPatch, target.pid(), {});
    });
    ::usleep(std::uniform_int_distribution<useconds_t>(0, 20000)(random));
    ::kill(child, SIGKILL);
    killed += was_killed(child) ? 1 : 0;  // a point that this run does not come to kills nobody: then the run was whole
    expect_whole(target, hot, "round " + std::to_string(round));
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(killed, 0);
  expect_next_run_repairs(target, hot, "after all rounds");
}

TEST(Killed, AtRandomWhileThreadsSpin) {
  kill_at_random(pair_patch(), {"spin", "3"}, 40);
}
TEST(Killed, AtRandomWithOneFunction) {
  kill_at_random(lone_patch(), {"spin", "1"}, 40);
}
TEST(Killed, AtRandomWhileThreadsWaitInSystemCalls) {
  kill_at_random(pair_patch(), {"sleepers", "6"}, 40);
}
TEST(Killed, AtRandomWhileCallersWaitAtGates) {
  const HotImage hot = make_hot_image("worker", kPatch, {{"slow", 2, {}}, {"answer", 2, {}}});
  TargetProgram target("worker", {"hot", "4"});
  for (int round = 0; round < 20; ++round) {
    const pid_t child = start([&] {
      (void)apply_hot({&hot}, target.pid(), {});
      (void)revert_hot(kPatch, target.pid(), {});
    });
    ::usleep(static_cast<useconds_t>(3000 + 1700 * round));
    ::kill(child, SIGKILL);
    was_killed(child);
    ASSERT_TRUE(target.alive());
    ASSERT_TRUE(target.makes_progress());
    EXPECT_EQ(target.ask("report")["wrong_values"], 0);
  }
}

}  // namespace
}  // namespace suture
