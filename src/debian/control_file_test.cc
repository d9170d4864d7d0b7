#include "debian/control_file.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

TEST(ControlFile, ReadsStanzasFieldsAndContinuedLines) {
  const auto stanzas = parse_control("# a comment\nPackage: redis\nBINARY: redis-server,\n redis-tools\n\n \nPackage: other\n");
  ASSERT_TRUE(stanzas);
  ASSERT_EQ(stanzas->size(), 2u);
  EXPECT_EQ((*stanzas)[0].get("package"), "redis");
  EXPECT_EQ(words_of((*stanzas)[0].get("binary")), (std::vector<std::string>{"redis-server", "redis-tools"}));
  EXPECT_EQ((*stanzas)[1].get("package"), "other");
  EXPECT_EQ((*stanzas)[1].get("binary"), "");
}

TEST(ControlFile, NamesTheLineThatIsNoField) {
  EXPECT_NE(parse_control("A: b\nrubbish\n").error().what().find("line 2"), std::string::npos);
  EXPECT_FALSE(parse_control(" continues nothing\n"));
  EXPECT_FALSE(parse_control(": no name\n"));
}

}  // namespace
}  // namespace suture
