// Line difference of two texts: patience (lines that occur once in both anchor the rest), then Myers' shortest edit
// script in the gaps. Used to keep line numbers of unchanged source text, and by the report to show what a fix changes.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace suture {

// Lines `pre_begin ..+pre_count` of pre become lines `post_begin ..+post_count` of post, counted from 0. One count may
// be 0.
struct DiffHunk {
  size_t pre_begin = 0, pre_count = 0;
  size_t post_begin = 0, post_count = 0;
  bool operator==(const DiffHunk &) const = default;
};

// Lines with their terminators, so that joining them gives the text back.
std::vector<std::string_view> split_lines(std::string_view text);

// The hunks in order; between them the lines are equal. Where the texts differ too much for a shortest script to be
// worth its time, a larger stretch is given as one hunk, which is still a correct difference.
std::vector<DiffHunk> diff_lines(std::span<const std::string_view> pre, std::span<const std::string_view> post);

}  // namespace suture
