#include "debian/version.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

TEST(DebianVersion, OrdersAsPolicySays) {
  // dpkg --compare-versions says so of each neighbouring pair.
  const char *ascending[] = {"1.0~~",   "1.0~~a", "1.0~", "1.0", "1.0-1~deb12u1", "1.0-1", "1.0-1+deb12u1", "1.0-1+deb12u9",
                             "1.0-1+deb12u10", "1.0a-1", "1.0+dfsg-1", "1.9-1", "1.10-1", "1:0.1-1", "2:0.1-1"};
  for (size_t i = 0; i < std::size(ascending); ++i)
    for (size_t j = 0; j < std::size(ascending); ++j) {
      const int order = compare_versions(ascending[i], ascending[j]);
      EXPECT_EQ(order < 0, i < j) << ascending[i] << " " << ascending[j];
      EXPECT_EQ(order > 0, i > j) << ascending[i] << " " << ascending[j];
    }
  EXPECT_EQ(compare_versions("0:1.0-0", "1.0"), 0);
  EXPECT_EQ(compare_versions("1.01-1", "1.1-1"), 0);
}

TEST(DebianVersion, TakesEpochAndRevisionOff) {
  EXPECT_EQ(without_epoch("5:7.0.15-1~deb12u7"), "7.0.15-1~deb12u7");
  EXPECT_EQ(upstream_version("5:7.0.15-1~deb12u7"), "7.0.15");
  EXPECT_EQ(upstream_version("252.39"), "252.39");
  EXPECT_EQ(upstream_version("1:9.2p1-2+deb12u10"), "9.2p1");
  EXPECT_EQ(upstream_version("1.0-rc1-3"), "1.0-rc1");
}

TEST(SourceName, RefusesWhatIsNoNameOrVersion) {
  const auto name = parse_source_name("libpng1.6=1.6.39-2+deb12u5");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->source, "libpng1.6");
  EXPECT_EQ(name->version, "1.6.39-2+deb12u5");
  EXPECT_EQ(parse_source_name("expat")->version, "");
  for (const char *bad : {"", "-o", "x", "../etc", "Redis", "redis=", "redis=/etc", "redis=-1", "redis=1 2", "redis=a", "redis=1/2"})
    EXPECT_FALSE(parse_source_name(bad)) << bad;
}

}  // namespace
}  // namespace suture
