#include "debian/index_dsc.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

constexpr const char *kIndex =
    "Package: made-up\n"
    "Binary: made-up, libmade1\n"
    "Version: 1:2.0-3\n"
    "Build-Depends: debhelper-compat (= 13),\n"
    " libother-dev\n"
    "Architecture: any\n"
    "Format: 3.0 (quilt)\n"
    "Files:\n"
    " 11 100 made-up_2.0-3.dsc\n"
    " 22 200 made-up_2.0.orig.tar.gz\n"
    "Checksums-Sha256:\n"
    " aa 100 made-up_2.0-3.dsc\n"
    " bb 200 made-up_2.0.orig.tar.gz\n"
    "Directory: pool/main/m/made-up\n";

Result<std::string> no_md5(const std::string &file) {
  return Error::failed("asked for " + file);
}

TEST(IndexDsc, NamesTheFilesAndTheDependenciesButNotItself) {
  const auto stanzas = parse_control(kIndex);
  ASSERT_TRUE(stanzas);
  const auto text = dsc_from_index(stanzas->at(0), no_md5);
  ASSERT_TRUE(text) << text.error().line();
  EXPECT_EQ(text->find(".dsc"), std::string::npos);
  const auto again = parse_control(*text);
  ASSERT_TRUE(again);
  ASSERT_EQ(again->size(), 1u);
  const Stanza &dsc = again->at(0);
  EXPECT_EQ(dsc.get("source"), "made-up");
  EXPECT_EQ(dsc.get("version"), "1:2.0-3");
  EXPECT_EQ(dsc.get("build-depends"), "debhelper-compat (= 13),\nlibother-dev");
  EXPECT_EQ(dsc.get("checksums-sha256"), "\nbb 200 made-up_2.0.orig.tar.gz");
  EXPECT_EQ(dsc.get("files"), "\n22 200 made-up_2.0.orig.tar.gz");
}

TEST(IndexDsc, IsRefusedWhenTheIndexHasNoDigests) {
  const auto stanzas = parse_control("Package: made-up\nFormat: 1.0\nVersion: 1\nFiles:\n 11 1 made-up_1.tar.gz\n");
  ASSERT_TRUE(stanzas);
  const auto text = dsc_from_index(stanzas->at(0), no_md5);
  ASSERT_FALSE(text);
  EXPECT_NE(text.error().line().find("checksums-sha256"), std::string::npos);
}

TEST(IndexDsc, TakesTheOlderDigestFromTheFileWhenTheIndexLeavesItOut) {
  const auto stanzas = parse_control("Package: made-up\nFormat: 1.0\nVersion: 1\nChecksums-Sha256:\n aa 7 made-up_1.dsc\n bb 9 made-up_1.tar.gz\n");
  ASSERT_TRUE(stanzas);
  const auto text = dsc_from_index(stanzas->at(0), [](const std::string &file) -> Result<std::string> { return "md5-of-" + file; });
  ASSERT_TRUE(text) << text.error().line();
  EXPECT_NE(text->find("Files: \n md5-of-made-up_1.tar.gz 9 made-up_1.tar.gz\n"), std::string::npos) << *text;
  EXPECT_FALSE(dsc_from_index(stanzas->at(0), no_md5));
}

}  // namespace
}  // namespace suture
