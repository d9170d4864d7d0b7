#include "debian/choose_version.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

Stanza stanza(const std::string &text) {
  return parse_control(text)->at(0);
}

TEST(BinaryPackages, AreOfTheSourceThatTheirStanzaNames) {
  EXPECT_EQ(source_of_binary(stanza("Package: expat\nVersion: 2.5.0-1\n")).source, "expat");
  EXPECT_EQ(source_of_binary(stanza("Package: libexpat1\nSource: expat\nVersion: 2.5.0-1\n")).version, "2.5.0-1");
  const SourceName rebuilt = source_of_binary(stanza("Package: x\nSource: expat (2.5.0-1)\nVersion: 2.5.0-1+b1\n"));
  EXPECT_EQ(rebuilt.source, "expat");
  EXPECT_EQ(rebuilt.version, "2.5.0-1");
}

TEST(VersionInUse, IsTheOneInstalledHereThoughOthersAreServed) {
  const KnownVersions known{
      {"1.0-1", "1.0-2"}, {{"libx1", "1.0-1+b2", "1.0-1"}, {"x", "1.0-1+b1", "1.0-1"}}, {}, "1.0-2"};
  EXPECT_EQ(*version_in_use("x", known), "1.0-1");
}

TEST(VersionInUse, IsAptsCandidateWhereNothingIsInstalled) {
  // The newest is of an archive that apt takes nothing from by itself.
  const KnownVersions known{{"1.0-1", "2.0-1~bpo12+1"}, {}, {}, "1.0-1"};
  EXPECT_EQ(*version_in_use("x", known), "1.0-1");
  EXPECT_EQ(*version_in_use("x", {{"1.9-1", "1.10-1"}, {}, {}, ""}), "1.10-1");
}

TEST(VersionInUse, IsRefusedWhenTheInstalledOneIsNotServedOrNotOne) {
  const auto gone = version_in_use("x", {{"1.0-3", "1.0-2", "1.0-2"}, {{"x", "1.0-1", "1.0-1"}}, {}, "1.0-3"});
  ASSERT_FALSE(gone);
  EXPECT_NE(gone.error().what().find("1.0-1 installed"), std::string::npos);
  EXPECT_EQ(gone.error().next(), "it has 1.0-2, 1.0-3");
  EXPECT_FALSE(
      version_in_use("x", {{"1.0-1", "1.0-2"}, {{"x", "1.0-1", "1.0-1"}, {"libx", "1.0-2", "1.0-2"}}, {}, ""}));
}

TEST(VersionNamed, MayBeThatOfABinaryWhichWasRebuilt) {
  const KnownVersions known{{"1:1.0-1"}, {}, {{"x-data", "1:1.0-1", "1:1.0-1"}, {"x", "1:1.0-1+b3", "1:1.0-1"}}, ""};
  EXPECT_EQ(*version_named({"x", "1:1.0-1"}, known), "1:1.0-1");
  EXPECT_EQ(*version_named({"x", "1:1.0-1+b3"}, known), "1:1.0-1");
  const auto unknown = version_named({"x", "1.0-1"}, known);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().next(), "it has 1:1.0-1");
}

TEST(InstalledBinaries, AreThoseOfTheSourceThatAreNotRemoved) {
  const auto found = installed_of("bzip2",
                                  "installed\tbzip2\t1.0.8-5\tlibbz2-1.0\t1.0.8-5+b1\n"
                                  "config-files\tbzip2\t1.0.6-9\tbzip2\t1.0.6-9\n"
                                  "installed\tbash\t5.2.15-2\tbash\t5.2.15-2+b8\nnonsense\n");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].package, "libbz2-1.0");
  EXPECT_EQ(found[0].source_version, "1.0.8-5");
}

TEST(AptPolicy, NamesTheFirstCandidate) {
  const BinaryOfSource found = first_candidate(
      "x-udeb:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n"
      "x:\n  Installed: (none)\n  Candidate: 1:1.0-1+b3\n  Version table:\n     1:1.0-1+b3 500\n"
      "y:\n  Installed: (none)\n  Candidate: 2.0-1\n");
  EXPECT_EQ(found.package, "x");
  EXPECT_EQ(found.version, "1:1.0-1+b3");
  EXPECT_EQ(first_candidate("N: Unable to locate package z\n").version, "");
}

}  // namespace
}  // namespace suture
