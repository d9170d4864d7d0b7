#include "review/review.h"

#include <gtest/gtest.h>

#include "review/call_graph.h"
#include "review/html.h"
#include "review/quoted.h"
#include "review/side_by_side.h"

namespace suture {
namespace {

Review sample() {
  Review review;
  ReviewImage &image = review.images.emplace_back();
  image.path = "/usr/bin/x";
  image.functions.push_back(
      {"f", "f.o", "f.c", "size 1 -> 2", {{"g", "call", false}, {"\"text\"", "address", true}}, {"main"}});
  image.names = {{16, "g"}, {32, "h"}};
  review.files.push_back({"f.c", "changed", {{3, 3, " a\n-b\n+c\n"}}, false});
  return review;
}

TEST(Review, IsReadAsItWasWritten) {
  const Result<Review> read = read_review(write_review(sample()));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(*read, sample());
}

TEST(Review, RefusesNamesOutOfOrderAndMissingFieldsAndOtherSchemas) {
  Review review = sample();
  std::swap(review.images[0].names[0], review.images[0].names[1]);
  EXPECT_EQ(read_review(write_review(review)).error().verdict(), Verdict::corrupt);
  EXPECT_EQ(read_review(as_bytes(R"({"schema":1,"images":[{}],"files":[]})")).error().verdict(), Verdict::corrupt);
  EXPECT_EQ(read_review(as_bytes(R"({"schema":2,"images":[],"files":[]})")).error().verdict(), Verdict::refused);
  EXPECT_EQ(read_review(as_bytes("[[[[[[[[[[[[")).error().verdict(), Verdict::corrupt);
}

TEST(SideBySide, PutsEqualLinesBesideEachOtherAndPairsWhatDiffers) {
  const std::vector<SideRow> rows = align_lines({"a", "b", "c"}, {"a", "x", "y", "c"});
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_FALSE(rows[0].changed);
  EXPECT_EQ(rows[1].old_line, 1u);
  EXPECT_EQ(rows[1].new_line, 1u);
  EXPECT_TRUE(rows[1].changed);
  EXPECT_FALSE(rows[2].old_line.has_value());
  EXPECT_EQ(rows[2].new_line, 2u);
  EXPECT_EQ(rows[3].old_line, 2u);
  EXPECT_EQ(rows[3].new_line, 3u);
}

TEST(SideBySide, LeavesOutTheInnerPartOfEqualStretches) {
  std::vector<SideRow> rows(11);
  rows[5].changed = true;
  const ShortRows kept = shorten_rows(rows, 2);
  EXPECT_EQ(kept.rows.size(), 5u);
  ASSERT_EQ(kept.gaps.size(), 2u);
  EXPECT_EQ(kept.gaps[0].before, 0u);
  EXPECT_EQ(kept.gaps[0].rows, 3u);
  EXPECT_EQ(kept.gaps[1].before, 5u);
  EXPECT_EQ(kept.gaps[1].rows, 3u);
}

TEST(SideBySide, NumbersTheLinesOfAHunkOnBothSides) {
  const std::vector<SourceRow> rows = split_hunk({10, 20, " a\n-b\n-c\n+d\n e\n"});
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[1].old_text, "b");
  EXPECT_EQ(rows[1].new_text, "d");
  EXPECT_FALSE(rows[2].new_text.has_value());
  EXPECT_EQ(rows[3].old_number, 13u);
  EXPECT_EQ(rows[3].new_number, 22u);
}

TEST(Quoted, WritesLineFeedsAndQuotesAsEscapesAndCutsWhatIsLong) {
  EXPECT_EQ(quoted("a\n\"b\"\x01", 60), "\"a\\n\\\"b\\\"\\x01\"");
  EXPECT_EQ(quoted("abcdef", 3), "\"abc...\"");
}

TEST(Html, EscapesWhatWouldBeMarkupAndMarksControlCharacters) {
  EXPECT_EQ(escaped("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  EXPECT_EQ(escaped("\x1b[31m\xff"), "\xef\xbf\xbd[31m\xef\xbf\xbd");
}

TEST(CallGraph, DrawsCallersAndCalleesOfEachFunctionAndEscapesTheirNames) {
  Review review = sample();
  review.images[0].functions[0].callers.push_back("<script>");
  const std::string svg = draw_call_graph(review.images[0]);
  EXPECT_NE(svg.find(">main<"), std::string::npos);
  EXPECT_NE(svg.find(">g<"), std::string::npos);
  EXPECT_EQ(svg.find("<script>"), std::string::npos);
  EXPECT_TRUE(draw_call_graph(ReviewImage{}).empty());
}

}  // namespace
}  // namespace suture
