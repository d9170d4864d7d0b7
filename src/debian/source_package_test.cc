#include "debian/source_package.h"

#include <gtest/gtest.h>

#include "base/file.h"

namespace suture {
namespace {

TEST(SeriesPatch, IsAVersionAndAPathBelowItsPatches) {
  const auto plain = parse_series_patch("5:7.0.15-1~deb12u10/CVE-1.patch");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->version, "5:7.0.15-1~deb12u10");
  EXPECT_EQ(plain->name, "CVE-1.patch");
  EXPECT_EQ(parse_series_patch("1.0-2/upstream/x.diff")->name, "upstream/x.diff");
  for (const char *bad : {"", "/tmp/x.patch", "patches/x.patch", "1.0-2", "1.0-2/", "1.0-2//x", "1.0-2/../x",
                          "1.0-2/a/../../../x", "./1.0/x"})
    EXPECT_FALSE(parse_series_patch(bad)) << bad;
}

TEST(SeriesPatch, MustBeInTheSeriesAndElseTheNearestNamesAreTold) {
  const TempDir folder = *TempDir::create("series-test");
  const FetchedSource source{"1.0-2", folder.path(), {}, {}, {}};
  std::filesystem::create_directories(source.tree() / "debian/patches");
  ASSERT_TRUE(write_file_atomic(source.tree() / "debian/patches/series",
                                as_bytes("# the first\n0001-CVE-1.patch\nsub/CVE-2.patch -p1 # later\n")));
  EXPECT_EQ(*find_series_patch(source, "sub/CVE-2.patch"), source.tree() / "debian/patches/sub/CVE-2.patch");
  const auto near = find_series_patch(source, "CVE-1.patch");
  ASSERT_FALSE(near);
  EXPECT_EQ(near.error().next(), "it has 0001-CVE-1.patch");
  const auto unknown = find_series_patch(source, "CVE-3.patch");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().next(), "it ends with 0001-CVE-1.patch, sub/CVE-2.patch");
}

}  // namespace
}  // namespace suture
