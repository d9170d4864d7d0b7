#include "debian/apt.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

TEST(AptEntries, AreThoseOfDebianItself) {
  const auto targets = parse_control(
      "Repo-URI: http://deb.debian.org/debian/\nRelease: bookworm\nComponent: main\nOrigin: Debian\nCreated-By: Packages\nSigned-By: /k.gpg\n\n"
      "Repo-URI: https://deb.nodesource.com/node_20.x/\nRelease: nodistro\nComponent: main\nOrigin: . nodistro\nCreated-By: Packages\n\n"
      "Repo-URI: http://x/ [evil]\nRelease: bookworm\nComponent: main\nOrigin: Debian\nCreated-By: Packages\n\n"
      "Repo-URI: http://deb.debian.org/debian/\nRelease: bookworm\nComponent: main\nOrigin: Debian\nCreated-By: Sources\n");
  ASSERT_TRUE(targets);
  EXPECT_EQ(debian_entries(*targets), (std::vector<std::string>{"[signed-by=/k.gpg] http://deb.debian.org/debian/ bookworm main"}));
}

TEST(SourceFiles, AreThoseWithAPlainNameAndADigest) {
  const auto files = source_files(
      "Reading package lists...\n"
      "'http://d/pool/c/curl_7-1%2bdeb12u5.dsc' curl_7-1+deb12u5.dsc 3252 SHA256:b912\n"
      "'http://d/pool/c/evil' ../evil 1 SHA256:00\n'http://d/pool/c/weak' weak 1 MD5Sum:00\n");
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].name, "curl_7-1+deb12u5.dsc");
  EXPECT_EQ(files[0].escaped, "curl_7-1%2bdeb12u5.dsc");
  EXPECT_EQ(files[0].digest, "SHA256:b912");
}

}  // namespace
}  // namespace suture
