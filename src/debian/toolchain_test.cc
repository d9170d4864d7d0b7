#include "debian/toolchain.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

constexpr int64_t kMay2022 = 1651622400, kJuly28 = 1658966400, kIn2018 = 1530000000;

TEST(Toolchain, IsTheDefaultOfTheDayThatTheShippedFilesAreOf) {
  EXPECT_EQ(default_gcc_at(kMay2022), 11u);
  EXPECT_EQ(default_gcc_at(kJuly28), 12u);
  EXPECT_EQ(default_gcc_at(kIn2018), 0u);
}

bool any(unsigned) {
  return true;
}

TEST(Toolchain, IsTheNextNewerWhereTheReleaseHasTheOneNoMore) {
  constexpr int64_t kIn2021 = 1612137600;
  EXPECT_EQ(choose_toolchain(kIn2021, 12, any).gcc, 10u);
  const Toolchain nearest = choose_toolchain(kIn2021, 12, [](unsigned gcc) { return gcc == 11; });
  EXPECT_EQ(nearest.gcc, 11u);
  EXPECT_NE(nearest.note.find("gcc 10, which the release has no more"), std::string::npos) << nearest.note;
  const Toolchain none = choose_toolchain(kIn2021, 12, [](unsigned) { return false; });
  EXPECT_EQ(none.gcc, 0u);
  EXPECT_NE(none.note.find("built with gcc-12"), std::string::npos) << none.note;
}

TEST(Toolchain, IsAnOlderOneOnlyWhereTheReleaseHasANewer) {
  const Toolchain older = choose_toolchain(kMay2022, 12, any);
  EXPECT_EQ(older.gcc, 11u);
  EXPECT_NE(older.note.find("2022-05-04"), std::string::npos) << older.note;
  // An update of an old release, built there with that release's compiler.
  EXPECT_EQ(choose_toolchain(kJuly28, 10, any).gcc, 0u);
  EXPECT_EQ(choose_toolchain(kJuly28, 12, any).gcc, 0u);
  EXPECT_EQ(choose_toolchain(kIn2018, 12, any).gcc, 0u);
  EXPECT_EQ(choose_toolchain(kMay2022, 0, any).gcc, 0u);
}

TEST(Toolchain, MajorVersionIsReadFromThatOfAPackage) {
  EXPECT_EQ(major_version("4:12.2.0-3"), 12u);
  EXPECT_EQ(major_version("11.3.0-12"), 11u);
  for (const char *bad : {"", "12", "x.1", "4:", "4294967297.0", "100.1"}) EXPECT_EQ(major_version(bad), 0u) << bad;
}

TEST(Toolchain, CompilerIsNamedByItsMajorVersion) {
  const auto named = parse_compiler("gcc-11");
  ASSERT_TRUE(named);
  EXPECT_EQ(*named, 11u);
  for (const char *bad : {"", "gcc", "gcc-", "gcc-x", "gcc-11/../..", "clang-14", "gcc-0", "gcc-100"}) EXPECT_FALSE(parse_compiler(bad)) << bad;
}

}  // namespace
}  // namespace suture
