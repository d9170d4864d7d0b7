#include "build/line_diff.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace suture {
namespace {

std::vector<DiffHunk> diff(std::string_view pre, std::string_view post) {
  return diff_lines(split_lines(pre), split_lines(post));
}

// Post, rebuilt from pre and the hunks; also checks that what lies between the hunks is equal.
std::string rebuild(std::string_view pre, std::string_view post, const std::vector<DiffHunk> &hunks) {
  const auto before = split_lines(pre), after = split_lines(post);
  std::string out;
  size_t pre_at = 0, post_at = 0;
  const auto copy_equal = [&](size_t pre_end) {
    for (; pre_at < pre_end; ++pre_at, ++post_at) out += before[pre_at];
  };
  for (const DiffHunk &hunk : hunks) {
    copy_equal(hunk.pre_begin);
    EXPECT_EQ(post_at, hunk.post_begin);
    for (size_t i = 0; i < hunk.post_count; ++i) out += after[post_at + i];
    pre_at += hunk.pre_count;
    post_at += hunk.post_count;
  }
  copy_equal(before.size());
  return out;
}

TEST(LineDiff, FindsNothingBetweenEqualTexts) {
  EXPECT_TRUE(diff("a\nb\n", "a\nb\n").empty());
}

TEST(LineDiff, GivesAnInsertedLineAsAHunkWithoutPreLines) {
  EXPECT_EQ(diff("a\nc\n", "a\nb\nc\n"), (std::vector<DiffHunk>{{1, 0, 1, 1}}));
}

TEST(LineDiff, GivesARemovedLineAsAHunkWithoutPostLines) {
  EXPECT_EQ(diff("a\nb\nc\n", "a\nc\n"), (std::vector<DiffHunk>{{1, 1, 1, 0}}));
}

TEST(LineDiff, TellsALastLineWithoutItsTerminatorFromOneWithIt) {
  EXPECT_EQ(diff("a\nb\n", "a\nb"), (std::vector<DiffHunk>{{1, 1, 1, 1}}));
}

TEST(LineDiff, TreatsAnEmptyTextAsNoLines) {
  EXPECT_EQ(diff("", "a\nb\n"), (std::vector<DiffHunk>{{0, 0, 0, 2}}));
  EXPECT_EQ(diff("a\n", ""), (std::vector<DiffHunk>{{0, 1, 0, 0}}));
}

TEST(LineDiff, KeepsAnUnchangedFunctionWholeWhenOneIsPutBeforeIt) {
  const std::string old_function = "int f(void)\n{\n  return 1;\n}\n";
  const std::string new_function = "int g(void)\n{\n  return 2;\n}\n";
  const auto hunks = diff(old_function, new_function + old_function);
  // The unique lines "int f(void)" and "return 1;" anchor the old function, so no hunk lies behind its first line.
  ASSERT_FALSE(hunks.empty());
  for (const DiffHunk &hunk : hunks) EXPECT_LE(hunk.pre_begin, 0u);
}

TEST(LineDiff, FindsTheShortestScriptWhereNoLineIsUnique) {
  // Myers' own example, ABCABBA to CBABAC: five edits.
  size_t edits = 0;
  for (const DiffHunk &hunk : diff("A\nB\nC\nA\nB\nB\nA\n", "C\nB\nA\nB\nA\nC\n"))
    edits += hunk.pre_count + hunk.post_count;
  EXPECT_EQ(edits, 5u);
}

TEST(LineDiff, GivesBackPostForAnyTwoTexts) {
  std::mt19937 random(20240117);
  for (int round = 0; round < 2000; ++round) {
    const auto text = [&](uint64_t words) {
      std::string out;
      const uint64_t lines = random() % 24;
      for (uint64_t i = 0; i < lines; ++i) out += std::string(1, static_cast<char>('a' + random() % words)) + "\n";
      return out;
    };
    const uint64_t words = 1 + random() % 12;
    const std::string pre = text(words), post = text(words);
    ASSERT_EQ(rebuild(pre, post, diff(pre, post)), post) << "pre:\n" << pre << "post:\n" << post;
  }
}

TEST(LineDiff, GivesAHunkRatherThanTakingForeverOnTextsWithNothingInCommonInOrder) {
  std::string pre, post;
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    pre += std::to_string(random() % 50) + "\n";
    post += std::to_string(random() % 50) + "\n";
  }
  EXPECT_EQ(rebuild(pre, post, diff(pre, post)), post);
}

}  // namespace
}  // namespace suture
