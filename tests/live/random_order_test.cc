// Patches applied and taken back in any order: the process always answers by the model, and when all are taken back, it is
// what it was, to the byte.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/cat.h"
#include "support/outcome.h"

namespace suture {
namespace {

// What is applied, oldest first; patches 0-2 replace answer(), 3-4 second(), 5 both.
class Model {
 public:
  static constexpr int kPatches = 6;
  static bool replaces(int patch, int function) { return patch == 5 || (patch < 3) == (function == 0); }
  static int value(int patch, int function) { return (function == 0 ? 100 : 200) + patch; }

  bool has(int patch) const { return std::find(applied_.begin(), applied_.end(), patch) != applied_.end(); }
  bool covered(int patch) const {
    bool behind = false;
    for (const int other : applied_) {
      if (behind && ((replaces(other, 0) && replaces(patch, 0)) || (replaces(other, 1) && replaces(patch, 1)))) return true;
      behind = behind || other == patch;
    }
    return false;
  }
  void apply(int patch) { applied_.push_back(patch); }
  void revert(int patch) { std::erase(applied_, patch); }
  int answers(int function) const {
    int out = function == 0 ? 1 : 11;
    for (const int patch : applied_)
      if (replaces(patch, function)) out = value(patch, function);
    return out;
  }
  std::optional<int> latest() const { return applied_.empty() ? std::nullopt : std::optional(applied_.back()); }

 private:
  std::vector<int> applied_;
};

HotImage patch_number(int patch) {
  std::vector<Replacement> replacements;
  if (Model::replaces(patch, 0)) replacements.push_back({"answer", Model::value(patch, 0), {}});
  if (Model::replaces(patch, 1)) replacements.push_back({"second", Model::value(patch, 1), {}});
  return make_hot_image("worker", cat("random-", patch), replacements);
}

void expect_answers(TargetProgram &target, const Model &model) {
  std::map<std::string, long> now = target.ask("report");
  EXPECT_EQ(now["answer"], model.answers(0));
  EXPECT_EQ(now["second"], model.answers(1));
}

TEST(RandomOrder, OfPatchesIsAnsweredByTheModelAndLeavesNoTrace) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::minstd_rand random(seed);
  TargetProgram target("worker", {"idle", "1"});
  const Snapshot before = take_snapshot(target.pid());
  Model model;
  for (int step = 0; step < 60 && !testing::Test::HasFailure(); ++step) {
    const int patch = static_cast<int>(random() % Model::kPatches);
    if (!model.has(patch)) {
      const HotImage hot = patch_number(patch);
      const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
      ASSERT_TRUE(report.has_value()) << report.error().text();
      model.apply(patch);
    } else {
      const Result<ApplyReport> report = revert_hot(cat("random-", patch), target.pid(), {});
      ASSERT_EQ(report.has_value(), !model.covered(patch)) << patch;
      if (report) model.revert(patch);
    }
    expect_answers(target, model);
  }
  while (const std::optional<int> patch = model.latest()) {
    const Result<ApplyReport> report = revert_hot(cat("random-", *patch), target.pid(), {});
    ASSERT_TRUE(report.has_value()) << report.error().text();
    model.revert(*patch);
    expect_answers(target, model);
  }
  expect_same(before, take_snapshot(target.pid()));
}

}  // namespace
}  // namespace suture
