#include "base/refusals.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

TEST(Refusals, AreNoneWhenAllWentWell) {
  Refusals refusals;
  EXPECT_TRUE(refusals.keep({}));
  EXPECT_TRUE(refusals.all());
}

TEST(Refusals, TellAllThatWereKeptAndTheStepsOfEach) {
  Refusals refusals;
  EXPECT_TRUE(refusals.keep(Error::refused("no room").during("replacing f")));
  EXPECT_TRUE(refusals.keep(Error::refused("not found").during("replacing g")));
  const Status all = refusals.all();
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().verdict(), Verdict::refused);
  EXPECT_NE(all.error().text().find("no room (while replacing f)"), std::string::npos) << all.error().text();
  EXPECT_NE(all.error().text().find("not found (while replacing g)"), std::string::npos) << all.error().text();
}

TEST(Refusals, KeepTheOnlyOneAsItWas) {
  Refusals refusals;
  EXPECT_TRUE(refusals.keep(Error::refused("no room").with_next("make room")));
  EXPECT_TRUE(refusals.keep(Error::refused("no room").with_next("make room")));
  ASSERT_FALSE(refusals.all());
  EXPECT_EQ(refusals.all().error().what(), "no room");
  EXPECT_EQ(refusals.all().error().next(), "make room");
}

TEST(Refusals, DoNotKeepWhatIsNoRefusal) {
  Refusals refusals;
  EXPECT_FALSE(refusals.keep(Error::failed("the disk is full")));
  EXPECT_TRUE(refusals.all());
}

}  // namespace
}  // namespace suture
