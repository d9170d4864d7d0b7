#include "build/line_anchor.h"

#include <gtest/gtest.h>

#include <string>

#include "build/line_diff.h"

namespace suture {
namespace {

// One character per line: S where a directive may stand before it.
std::string safe_lines(std::string_view text) {
  std::string out;
  for (const LineStart &line : scan_source(text).lines) out += line.safe ? 'S' : '.';
  return out;
}

TEST(ScanSource, AllowsDirectivesBetweenPlainLines) {
  EXPECT_EQ(safe_lines("int a;\nint b;\n"), "SS");
}

TEST(ScanSource, AllowsNoneInABlockComment) {
  EXPECT_EQ(safe_lines("/* a\n b\n c */ int x;\nint y;\n"), "S..S");
}

TEST(ScanSource, KnowsThatALineCommentDoesNotOpenABlockComment) {
  EXPECT_EQ(safe_lines("// a /* b\nint x;\n"), "SS");
}

TEST(ScanSource, AllowsNoneBehindALineCommentThatIsContinued) {
  EXPECT_EQ(safe_lines("// a \\\n b ( \nint x;\n"), "S.S");
}

TEST(ScanSource, AllowsNoneBehindABackslash) {
  EXPECT_EQ(safe_lines("#define A 1 + \\\n  2\nint x;\n"), "S.S");
}

TEST(ScanSource, SeesABackslashFollowedByBlanksOrACarriageReturnAsAContinuation) {
  EXPECT_EQ(safe_lines("#define A 1 + \\ \t\n  2\nint x;\n"), "S.S");
  EXPECT_EQ(safe_lines("#define A 1 + \\\r\n  2\r\nint x;\r\n"), "S.S");
}

TEST(ScanSource, AllowsNoneWithinParentheses) {
  EXPECT_EQ(safe_lines("ASSERT(a,\n  (b),\n  c);\nint x;\n"), "S..S");
}

TEST(ScanSource, DoesNotCountParenthesesInStringsCharactersAndComments) {
  EXPECT_EQ(safe_lines("f(\"(\");\ng('(');\nh(); // (\ni(); /* ( */\nj(\"\\\"(\");\nk('\\'', '(');\nend\n"), "SSSSSSS");
}

TEST(ScanSource, DoesNotCountParenthesesOfMacroDefinitions) {
  EXPECT_EQ(safe_lines("#define BEGIN f(\n#define END )\nint x;\n"), "SSS");
}

TEST(ScanSource, AllowsNoneInARawString) {
  EXPECT_EQ(safe_lines("auto s = R\"(a\n \" ( \n b)\";\nint x;\n"), "S..S");
  EXPECT_EQ(safe_lines("auto s = u8R\"xy(a\n )\" \n )xy\";\nint x;\n"), "S..S");
}

TEST(ScanSource, DoesNotTakeAnIdentifierThatEndsInRForARawStringPrefix) {
  EXPECT_EQ(safe_lines("f(STR\"(\");\nint x;\n"), "SS");
}

TEST(ScanSource, TakesAnApostropheBetweenDigitsForASeparator) {
  EXPECT_EQ(safe_lines("int a = 1'000'000; f(\n1);\nint b = 0xFF'FFu;\nint c;\n"), "S.SS");
}

TEST(ScanSource, EndsAnOpenApostropheAtTheEndOfTheLine) {
  EXPECT_EQ(safe_lines("#error don't (do\nint x;\n#if 0\nit isn't (code\n#endif\nint y;\n"), "SSSSSS");
}

TEST(ScanSource, ForgetsParenthesesOpenedInTextThatIsNeverCompiled) {
  EXPECT_EQ(safe_lines("#if 0\n:-(\n#endif\nint y;\n").back(), 'S');
}

TEST(ScanSource, CountsParenthesesOfOneBranchOnly) {
  const std::string text = "if (a\n#ifdef X\n && b)\n#else\n && c)\n#endif\n  d();\nint y;\n";
  EXPECT_EQ(safe_lines(text), "S..S.SSS");
}

TEST(ScanSource, KeepsParenthesesOpenThatBothBranchesOpen) {
  EXPECT_EQ(safe_lines("#ifdef X\nif (a &&\n#else\nif (\n#endif\n b)\nint y;\n"), "SS.S..S");
}

TEST(ScanSource, RecoversAtTheEndOfAFunction) {
  EXPECT_EQ(safe_lines("void f(void) {\n BROKEN(\n 1;\n}\nint x;\n"), "SS.SS");
}

TEST(ScanSource, SeesADirectiveBehindAComment) {
  EXPECT_TRUE(scan_source("/* generated */ # line 7 \"x.y\"\n").has_line_directives);
  EXPECT_TRUE(scan_source("# 7 \"x.y\"\n").has_line_directives);
  EXPECT_FALSE(scan_source("int line; // # line 7\nchar *s = \"\\\n# line 7\";\n").has_line_directives);
}

TEST(ScanSource, DescribesEachLineOnceWhateverTheText) {
  for (const std::string text : {"", "\n", "a", "a\\\n", "\\\n\\\n", "/*\n", "\"a\\\nb\n", "R\"(\n\n",
                                 "#if\n#else\n#endif", "'\\", "R\"", "#", "/", "a\r\n\r\n"})
    EXPECT_EQ(scan_source(text).lines.size(), split_lines(text).size()) << text;
}

// The number the compiler would give each line of the text that is not a #line directive.
std::vector<size_t> told_lines(std::string_view text) {
  std::vector<size_t> out;
  size_t next = 1;
  for (const std::string_view line : split_lines(text)) {
    if (line.starts_with("#line ")) {
      next = std::stoul(std::string(line.substr(6)));
      continue;
    }
    out.push_back(next++);
  }
  return out;
}

TEST(AnchorLines, GivesUnchangedLinesTheirOldNumbersAfterAnInsertion) {
  const AnchoredText out = anchor_lines("a;\nb;\nc;\n", "a;\nnew;\nnew;\nb;\nc;\n");
  EXPECT_EQ(out.text, "a;\nnew;\nnew;\n#line 2\nb;\nc;\n");
  EXPECT_EQ(out.map.told(1), 1u);
  EXPECT_EQ(out.map.told(4), 2u);
  EXPECT_EQ(out.map.told(5), 3u);
}

TEST(AnchorLines, GivesUnchangedLinesTheirOldNumbersAfterARemoval) {
  EXPECT_EQ(anchor_lines("a;\nb;\nc;\nd;\n", "a;\nd;\n").text, "a;\n#line 4\nd;\n");
}

TEST(AnchorLines, AddsNothingWhereTheNumberOfLinesStays) {
  const AnchoredText out = anchor_lines("a;\nb;\nc;\n", "a;\nB;\nc;\n");
  EXPECT_EQ(out.text, "a;\nB;\nc;\n");
  EXPECT_TRUE(out.map.empty());
}

TEST(AnchorLines, ReturnsToPlainNumbersWhereALaterHunkMakesUpForAnEarlierOne) {
  const AnchoredText out = anchor_lines("a;\nb;\nc;\nd;\ne;\n", "a;\nnew;\nb;\nc;\ne;\n");
  EXPECT_EQ(told_lines(out.text), (std::vector<size_t>{1, 2, 2, 3, 5}));
}

TEST(AnchorLines, WaitsForTheEndOfACallThatAHunkEndsIn) {
  const AnchoredText out = anchor_lines("f(a,\n  b);\nx;\n", "f(a,\n  new,\n  b);\nx;\n");
  EXPECT_EQ(out.text, "f(a,\n  new,\n  b);\n#line 3\nx;\n");
}

TEST(AnchorLines, RepeatsTheNumberBehindAConditionalThatMayNotBeCompiled) {
  const AnchoredText out =
      anchor_lines("#ifdef X\na;\n#else\nb;\n#endif\nc;\n", "#ifdef X\nnew;\na;\n#else\nb;\n#endif\nc;\n");
  EXPECT_EQ(out.text, "#ifdef X\nnew;\n#line 2\na;\n#else\n#line 4\nb;\n#endif\n#line 6\nc;\n");
}

TEST(AnchorLines, DoesNotRepeatTheNumberBehindAConditionalThatIsOpenedLater) {
  const AnchoredText out = anchor_lines("a;\n#ifdef X\nb;\n#endif\nc;\n", "new;\na;\n#ifdef X\nb;\n#endif\nc;\n");
  EXPECT_EQ(out.text, "new;\n#line 1\na;\n#ifdef X\nb;\n#endif\nc;\n");
}

TEST(AnchorLines, PutsNothingBehindAnIncludeGuard) {
  // A directive there would make the compiler read the header again at each #include.
  const AnchoredText out =
      anchor_lines("#ifndef H\n#define H\na;\n#endif\n\n", "#ifndef H\n#define H\nnew;\na;\n#endif\n\n");
  EXPECT_EQ(out.text, "#ifndef H\n#define H\nnew;\n#line 3\na;\n#endif\n\n");
}

TEST(AnchorLines, LeavesTextWithLineDirectivesOfItsOwnAlone) {
  const std::string post = "new\n#line 9 \"g.y\"\na\n";
  EXPECT_EQ(anchor_lines("#line 9 \"g.y\"\na\n", post).text, post);
}

TEST(AnchorLines, AnchorsOnlyWhatAPreprocessorReads) {
  EXPECT_TRUE(is_anchorable("src/a.c", ""));
  EXPECT_TRUE(is_anchorable("src/a.hpp", ""));
  EXPECT_FALSE(is_anchorable("src/a.y", ""));
  EXPECT_FALSE(is_anchorable("Makefile.inc", "all:\n\tcc\n"));
  EXPECT_TRUE(is_anchorable("ops.inc", "x(1);\n"));
  EXPECT_FALSE(is_anchorable("page.inc", "<?php f();\n"));
  EXPECT_FALSE(is_anchorable("asm.inc", "; comment;\n%macro x\n"));
}

}  // namespace
}  // namespace suture
