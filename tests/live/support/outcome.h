// The two outcomes that a live test expects of an apply: done and taken back without a trace, or refused without a trace.
#pragma once

#include <gtest/gtest.h>

#include "apply/apply.h"
#include "support/snapshot.h"
#include "support/target_program.h"

namespace suture {

#define SKIP_UNLESS_SUPPORTED(target) \
  if (!(target).supported()) GTEST_SKIP() << "this kernel cannot do that"

// Says only in what they differ: a map has hundreds of lines.
inline void expect_same(const Snapshot &before, const Snapshot &after) {
  for (const auto &[what, text] : before) EXPECT_EQ(text, after.at(what)) << what;
}

// Applies, sees the new answer, reverts, sees the old one; at the end every byte and mapping is as before.
inline void expect_applied_and_reverted(TargetProgram &target, const HotImage &hot) {
  const Snapshot before = take_snapshot(target.pid());
  const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
  ASSERT_TRUE(report.has_value()) << report.error().text();
  EXPECT_EQ(target.ask("report")["answer"], 2);
  const Result<ApplyReport> back = revert_hot(hot.patch_id, target.pid(), {});
  ASSERT_TRUE(back.has_value()) << back.error().text();
  EXPECT_EQ(target.ask("report")["answer"], 1);
  expect_same(before, take_snapshot(target.pid()));
}

// Refused with these words in its message, nothing changed, and the process answers as it did.
inline void expect_refused_untouched(TargetProgram &target, const HotImage &hot, std::string_view words, ApplyOptions options = {}) {
  const Snapshot before = take_snapshot(target.pid());
  const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), options);
  ASSERT_FALSE(report.has_value()) << "applied";
  EXPECT_EQ(report.error().verdict(), Verdict::refused) << report.error().text();
  EXPECT_NE(report.error().text().find(words), std::string::npos) << report.error().text();
  EXPECT_NE(report.error().state(), TargetState::damaged);
  expect_same(before, take_snapshot(target.pid()));
  EXPECT_EQ(target.ask("report")["answer"], 1);
}

}  // namespace suture
