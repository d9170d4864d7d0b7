#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/cli_test_support.h"
#include "cli/table.h"

namespace suture::cli {
namespace {

using testing_support::Outcome;
using testing_support::run;

TEST(CommandLine, AnUnknownCommandIsAUsageErrorOfOneLine) {
  const Outcome result = run({"frobnicate"});
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(result.err.starts_with("suture: ")) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

TEST(CommandLine, NoCommandIsAUsageError) {
  EXPECT_EQ(run({}).status, 2);
}

TEST(CommandLine, AUsageErrorWithJsonIsAnErrorObjectOnStandardOutput) {
  const Outcome result = run({"frobnicate", "--json"});
  EXPECT_EQ(result.status, 2);
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["error"]["verdict"], "usage");
}

TEST(CommandLine, VersionAndHelpSucceed) {
  const Outcome version = run({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_TRUE(version.out.starts_with("suture ")) << version.out;
  EXPECT_EQ(run({"--help"}).status, 0);
}

TEST(PrintError, JsonCarriesVerdictTargetStateAndNextStep) {
  const auto json = to_json(Error::refused("no").during("checking x").with_next("do y"));
  EXPECT_EQ(json["verdict"], "refused");
  EXPECT_EQ(json["target"], "untouched");
  EXPECT_EQ(json["what"], "no");
  EXPECT_EQ(json["steps"], nlohmann::json::array({"checking x"}));
  EXPECT_EQ(json["next"], "do y");
}

TEST(Table, EscapesWhatWouldSteerATerminal) {
  EXPECT_EQ(printable("a\x1b[2J"), "a\\x1b[2J");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");           // C1 CSI
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");           // not UTF-8
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(printable("na\xc3\xafve"), "na\xc3\xafve");
}

TEST(Table, AlignsColumnsByCharactersAndLeavesNoTrailingSpace) {
  Table table({"name", "size"});
  table.add({"\xc3\xa9", "1"});
  table.add({"longer name", ""});
  EXPECT_EQ(table.text(), "name         size\n\xc3\xa9            1\nlonger name\n");
}

}  // namespace
}  // namespace suture::cli
