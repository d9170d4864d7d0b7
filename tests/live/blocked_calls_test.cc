// Thirty ways to be blocked in a system call, none of which may notice that the process is patched around it.
#include <gtest/gtest.h>

#include "apply/apply.h"
#include "support/target_program.h"

namespace suture {
namespace {

TEST(BlockedCalls, NoneReturnsBecauseOfApplyAndRevert) {
  TargetProgram target("blocked_calls", {});
  const HotImage hot = make_hot_image("blocked_calls", "blocked-calls", {{"answer", 2, {}}});
  for (int round = 0; round < 4; ++round) {
    const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
    ASSERT_TRUE(report.has_value()) << report.error().text();
    EXPECT_EQ(target.ask("report")["answer"], 2);
    ASSERT_TRUE(revert_hot("blocked-calls", target.pid(), {}).has_value());
  }
  std::map<std::string, long> report = target.ask("report");
  report.erase("answer");
  for (const auto &[name, count] : report) EXPECT_EQ(count, 0) << name;
}

}  // namespace
}  // namespace suture
