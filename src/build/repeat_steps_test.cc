#include "build/repeat_steps.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "build/subprocess.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

StepRecord step(const std::string &cwd, std::vector<std::string> args) {
  return {"1-1", cwd, "/usr/bin/make", std::move(args), {}, 0};
}

TEST(RepeatedSteps, AreThoseWhoseFolderAndMakefileAreThereStill) {
  const TempDir folder = *TempDir::create("steps-test");
  const fs::path tree = folder.path() / "x-1.0";
  fs::create_directories(tree / "src");
  ASSERT_TRUE(write_file_atomic(tree / "own.mk", {}));
  const fs::path outside = folder.path() / "of-a-link.mk";
  ASSERT_TRUE(write_file_atomic(outside, {}));
  Records noted;
  noted.steps = {step("/build/x-1.0", {"-f", "conftest.make"}),
                 step("/build/x-1.0", {"-f", "-"}),
                 step("/build/x-1.0/CMakeTmp", {"probe"}),
                 step("/elsewhere", {}),
                 step("/build/x-1.0/src", {"--version"}),
                 step("/build/x-1.0", {"-fown.mk"}),
                 step("/build/x-1.0/src", {"-f", "/build/x-1.0/own.mk"}),
                 step("/build/x-1.0", {"-f", outside.string(), "-j2", "all"}),
                 step("/build/x-1.0/src", {"-j2"})};
  const std::vector<StepRecord> steps = steps_to_repeat(noted, "/build/x-1.0", tree);
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[0].args[0], "-fown.mk");
  EXPECT_EQ(steps[1].args[0], "-f");
  EXPECT_EQ(steps[2].args[0], "-j2");
}

TEST(RepeatedSteps, AreNoneWhereOneTakesAwayWhatWasBuilt) {
  const TempDir folder = *TempDir::create("steps-test");
  Records noted;
  noted.steps = {step("/b", {"-j2"}), step("/b", {"-C", "po", "distclean"})};
  EXPECT_TRUE(steps_to_repeat(noted, "/b", folder.path()).empty());
}

TEST(RepeatedSteps, AreNotThoseThatOnlyConfigured) {
  const TempDir folder = *TempDir::create("steps-test");
  Records noted;
  noted.steps = {step("/b", {"setup"}), step("/b", {"all"})};
  noted.steps[1].id = "2-2";
  noted.probing = {"1-1", "2-2"};  // the second runs configure too, in a folder below
  noted.compiles.resize(1);
  noted.compiles[0].step = "2-2";
  const std::vector<StepRecord> steps = steps_to_repeat(noted, "/b", folder.path());
  ASSERT_EQ(steps.size(), 1u);
  EXPECT_EQ(steps[0].args[0], "all");
}

TEST(RepeatedSteps, DoNotAskAJobServerThatHasEnded) {
  StepRecord made = step("/b", {});
  made.environment = {"MAKEFLAGS=w -j2 --jobserver-auth=3,4 -- A=b", "PATH=/x"};
  const std::vector<std::string> environment = environment_to_repeat(made);
  EXPECT_EQ(get_variable(environment, "MAKEFLAGS"), "w -j2 -- A=b");
  EXPECT_EQ(get_variable(environment, "PATH"), "/x");
}

}  // namespace
}  // namespace suture
