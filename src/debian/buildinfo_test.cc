#include "debian/buildinfo.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

constexpr const char *kRecord =
    "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
    "Format: 1.0\nSource: made-up (1.0-2)\nVersion: 1.0-2+b1\nBuild-Path: /build/made-up-1.0\n"
    "Installed-Build-Depends:\n gcc-12 (= 12.2.0-14),\n libc6-dev (= 2.36-9),\n zlib1g-dev:amd64 (= 1:1.2.13.dfsg-1)\n"
    "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n";

TEST(BuildInfo, SignatureAroundItIsNoPartOfIt) {
  const auto info = parse_buildinfo(kRecord);
  ASSERT_TRUE(info) << info.error().line();
  EXPECT_EQ(info->source, "made-up");
  EXPECT_EQ(info->version, "1.0-2+b1");
  EXPECT_EQ(info->build_path, "/build/made-up-1.0");
  EXPECT_EQ(info->installed, (std::map<std::string, std::string>{{"gcc-12", "12.2.0-14"}, {"libc6-dev", "2.36-9"}, {"zlib1g-dev", "1:1.2.13.dfsg-1"}}));
}

TEST(BuildInfo, DifferencesAreWhatIsMissingAndWhatHasAnotherVersion) {
  const auto info = parse_buildinfo(kRecord);
  ASSERT_TRUE(info);
  const auto differences = compare_installed(*info, {{"gcc-12", "12.2.0-14"}, {"libc6-dev", "2.36-9+deb12u14"}, {"only-here", "1"}});
  ASSERT_EQ(differences.size(), 2u);
  EXPECT_EQ(differences[0].package, "libc6-dev");
  EXPECT_EQ(differences[0].here, "2.36-9+deb12u14");
  EXPECT_EQ(differences[1].package, "zlib1g-dev");
  EXPECT_EQ(differences[1].here, "");
}

TEST(BuildInfo, IsCorruptWhenAPackageHasNoVersion) {
  for (const char *bad : {"", "Source: x\n", "Installed-Build-Depends: gcc-12 (>= 1), x\n", "Installed-Build-Depends: ../x (= 1)\n", "Installed-Build-Depends: x (= a/b)\n"})
    EXPECT_FALSE(parse_buildinfo(bad)) << bad;
}

}  // namespace
}  // namespace suture
