// Patches that contain others' fixes take their place in one stop, and bring them back when they are reverted.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "apply/apply.h"
#include "base/file.h"
#include "elf/cold_file.h"
#include "elf/read_image.h"
#include "support/target_program.h"

namespace suture {
namespace {

using Outcome = ApplyReport::Outcome;
using Answers = std::pair<long, long>;

HotImage patch(const std::string &id, const std::vector<Replacement> &replacements,
               const std::vector<std::string> &supersedes = {}, uint64_t sequence = 1) {
  HotImage hot = make_hot_image("worker", id, replacements);
  hot.supersedes = supersedes;
  hot.sequence = sequence;
  return hot;
}

Answers answers_of(TargetProgram &target) {
  std::map<std::string, long> now = target.ask("report");
  return {now["answer"], now["second"]};
}

Outcome apply(const HotImage &hot, TargetProgram &target) {
  const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
  EXPECT_TRUE(report) << report.error().text();
  return report ? report->outcome : Outcome::would_apply;
}

void revert(const std::string &id, TargetProgram &target) {
  const Result<ApplyReport> report = revert_hot(id, target.pid(), {});
  EXPECT_TRUE(report) << report.error().text();
}

std::string state_of(const std::string &id, const TargetProgram &target) {
  const Result<std::vector<AppliedPatch>> applied = read_applied(target.pid());
  std::string out;
  for (const AppliedPatch &one : applied.value())
    if (one.id == id) out += (out.empty() ? "" : " ") + std::string(name_of(one.state));
  return out;
}

TEST(Cumulative, ANewerPatchTakesAnOldersPlaceAndGivesBackWhatItDoesNotReplace) {
  TargetProgram target("worker", {"spin", "3"});
  const std::string before = target.maps();
  apply(patch("one", {{"answer", 2, {}}, {"second", 12, {}}}), target);
  EXPECT_EQ(answers_of(target), Answers(2, 12));
  const HotImage two = patch("two", {{"answer", 2, {}}}, {"one"});
  const Result<ApplyReport> report = apply_hot({&two}, target.pid(), {});
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->superseded, std::vector<std::string>{"one"});
  EXPECT_EQ(answers_of(target), Answers(2, 11));
  EXPECT_EQ(state_of("one", target), "superseded");
  EXPECT_FALSE(revert_hot("one", target.pid(), {})) << "two lies over it";
  revert("two", target);
  EXPECT_EQ(answers_of(target), Answers(2, 12));
  EXPECT_EQ(state_of("one", target), "applied");
  revert("one", target);
  EXPECT_EQ(answers_of(target), Answers(1, 11));
  EXPECT_TRUE(target.makes_progress());
  EXPECT_EQ(target.ask("report")["wrong_values"], 0);
  EXPECT_EQ(target.maps(), before);
}

TEST(Cumulative, AnOlderPatchWhoseFixesAreThereIsNotAppliedOverIt) {
  TargetProgram target("worker", {"idle", "1"});
  const HotImage one = patch("one", {{"answer", 2, {}}});
  apply(patch("two", {{"second", 12, {}}}, {"one"}), target);
  EXPECT_EQ(apply(one, target), Outcome::already);
  EXPECT_EQ(answers_of(target), Answers(1, 12));
  EXPECT_EQ(state_of("one", target), "");
}

TEST(Cumulative, AHigherSequenceOfOneIdTakesTheLowersPlaceAndALowerNeverTheHighers) {
  TargetProgram target("worker", {"idle", "1"});
  const HotImage first = patch("all", {{"answer", 2, {}}}, {}, 1);
  const HotImage second = patch("all", {{"second", 12, {}}}, {}, 2);
  apply(first, target);
  EXPECT_EQ(apply(second, target), Outcome::applied);
  EXPECT_EQ(answers_of(target), Answers(1, 12));
  EXPECT_EQ(apply(first, target), Outcome::already);
  EXPECT_EQ(state_of("all", target), "superseded applied");
  revert("all", target);
  EXPECT_EQ(answers_of(target), Answers(2, 11));
  revert("all", target);
  EXPECT_EQ(answers_of(target), Answers(1, 11));
}

TEST(Cumulative, APatchOfAChainTakesThePlaceOfAllBelowIt) {
  TargetProgram target("worker", {"idle", "1"});
  apply(patch("one", {{"answer", 2, {}}}), target);
  apply(patch("two", {{"second", 12, {}}}, {"one"}), target);
  EXPECT_EQ(answers_of(target), Answers(1, 12));
  apply(patch("three", {{"recursive", 1, {}}}, {"two"}), target);
  EXPECT_EQ(answers_of(target), Answers(1, 11));
  revert("three", target);
  EXPECT_EQ(answers_of(target), Answers(1, 12));
  revert("two", target);
  EXPECT_EQ(answers_of(target), Answers(2, 11));
  revert("one", target);
  EXPECT_EQ(answers_of(target), Answers(1, 11));
}

TEST(Cumulative, APatchThatIsNotSupersededStaysUnderOneThatSupersedesAnother) {
  TargetProgram target("worker", {"idle", "1"});
  apply(patch("other", {{"second", 13, {}}}), target);
  apply(patch("one", {{"answer", 2, {}}, {"second", 12, {}}}), target);
  EXPECT_EQ(answers_of(target), Answers(2, 12));
  apply(patch("two", {{"answer", 3, {}}}, {"one"}), target);
  EXPECT_EQ(answers_of(target), Answers(3, 13)) << "second goes back to the other patch's, not to the base's";
  revert("two", target);
  EXPECT_EQ(answers_of(target), Answers(2, 12));
}

// Fails where no such thread can be: the function of the older patch is left before it goes back.
TEST(Cumulative, AFunctionThatIsHotOnEveryThreadGoesBackToItsFirstVersion) {
  TargetProgram target("worker", {"hot", "4"});
  apply(patch("one", {{"slow", 2, {}}}), target);
  EXPECT_TRUE(target.makes_progress());
  apply(patch("two", {{"answer", 2, {}}}, {"one"}), target);
  EXPECT_TRUE(target.makes_progress());
  EXPECT_EQ(target.ask("report")["wrong_values"], 0);
  revert("two", target);
  EXPECT_TRUE(target.makes_progress());
  EXPECT_EQ(target.ask("report")["wrong_values"], 0);
}

class StartedFromAColdpatchedFile : public testing::Test {
 protected:
  void SetUp() override {
    const Result<Image> base = read_elf_image_file(TargetProgram::path_of("worker"));
    ASSERT_TRUE(base);
    const HotImage one = patch("one", {{"answer", 2, {}}, {"second", 12, {}}});
    const Result<Bytes> cold = write_cold_file(*base, one);
    ASSERT_TRUE(cold) << cold.error().text();
    ASSERT_TRUE(write_file_atomic(program(), *cold, 0755));
  }
  std::string program() const { return (folder_.path() / "worker").string(); }
  TempDir folder_ = *TempDir::create("suture-cumulative");
};

TEST_F(StartedFromAColdpatchedFile, ANewerPatchTakesThePlaceOfTheOneInTheFile) {
  TargetProgram target(program(), {"spin", "3"});
  EXPECT_EQ(answers_of(target), Answers(2, 12));
  EXPECT_EQ(state_of("one", target), "in-file");
  EXPECT_FALSE(revert_hot("one", target.pid(), {}));
  EXPECT_EQ(apply(patch("one", {{"answer", 2, {}}, {"second", 12, {}}}), target), Outcome::already);
  EXPECT_EQ(apply(patch("two", {{"answer", 2, {}}}, {"one"}), target), Outcome::applied);
  EXPECT_EQ(answers_of(target), Answers(2, 11));
  revert("two", target);
  EXPECT_EQ(answers_of(target), Answers(2, 12));
  EXPECT_TRUE(target.makes_progress());
  EXPECT_EQ(target.ask("report")["wrong_values"], 0);
}

TEST_F(StartedFromAColdpatchedFile, AnotherPatchOfTheSameFunctionLiesOverTheOneInTheFile) {
  TargetProgram target(program(), {"idle", "1"});
  EXPECT_EQ(apply(patch("more", {{"second", 14, {}}}), target), Outcome::applied);
  EXPECT_EQ(answers_of(target), Answers(2, 14));
  revert("more", target);
  EXPECT_EQ(answers_of(target), Answers(2, 12));
}

}  // namespace
}  // namespace suture
