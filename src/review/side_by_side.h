// Two texts beside each other: which line of the old one stands next to which of the new one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "review/listing.h"
#include "review/review.h"

namespace suture {

// One row: an index into each side, or none where that side has no line. `changed` rows differ.
struct SideRow {
  std::optional<size_t> old_line;
  std::optional<size_t> new_line;
  bool changed = false;
};

// Lines whose keys are equal stand next to each other; within a stretch that differs, first lines stand next to first
// lines.
std::vector<SideRow> align_lines(const std::vector<std::string_view> &old_lines,
                                 const std::vector<std::string_view> &new_lines);
std::vector<SideRow> align_code(const FunctionListing &function);

// Rows without the inner part of long equal stretches: up to `context` rows are kept on each side of a change. A gap
// says how many rows are left out before the row at `before`.
struct RowGap {
  size_t before = 0;  // index into `rows` of shorten_rows' result
  size_t rows = 0;
};
struct ShortRows {
  std::vector<SideRow> rows;
  std::vector<RowGap> gaps;
};
ShortRows shorten_rows(const std::vector<SideRow> &rows, size_t context);

// A source hunk as two columns.
struct SourceRow {
  std::optional<std::string> old_text, new_text;
  uint64_t old_number = 0, new_number = 0;  // line numbers, from 1
  bool changed = false;
};
std::vector<SourceRow> split_hunk(const ReviewHunk &hunk);

}  // namespace suture
