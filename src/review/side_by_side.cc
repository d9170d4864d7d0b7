#include "review/side_by_side.h"

#include <algorithm>

#include "build/line_diff.h"

namespace suture {

namespace {

// A run of `old_count` against `new_count` lines that differ, the first ones next to each other.
template <typename Add>
void pair_up(size_t old_count, size_t new_count, Add add) {
  for (size_t i = 0; i < std::max(old_count, new_count); ++i)
    add(i < old_count ? std::optional<size_t>(i) : std::nullopt,
        i < new_count ? std::optional<size_t>(i) : std::nullopt);
}

std::optional<size_t> moved(std::optional<size_t> index, size_t by) {
  return index ? std::optional<size_t>(*index + by) : std::nullopt;
}

}  // namespace

std::vector<SideRow> align_lines(const std::vector<std::string_view> &old_lines,
                                 const std::vector<std::string_view> &new_lines) {
  std::vector<SideRow> rows;
  size_t old_at = 0;
  size_t new_at = 0;
  const auto equal_until = [&](size_t old_end) {
    for (; old_at < old_end; ++old_at, ++new_at) rows.push_back({old_at, new_at, false});
  };
  for (const DiffHunk &hunk : diff_lines(old_lines, new_lines)) {
    equal_until(hunk.pre_begin);
    pair_up(hunk.pre_count, hunk.post_count, [&](std::optional<size_t> old_index, std::optional<size_t> new_index) {
      rows.push_back({moved(old_index, hunk.pre_begin), moved(new_index, hunk.post_begin), true});
    });
    old_at = hunk.pre_begin + hunk.pre_count;
    new_at = hunk.post_begin + hunk.post_count;
  }
  equal_until(old_lines.size());
  return rows;
}

std::vector<SideRow> align_code(const FunctionListing &function) {
  const auto keys = [](const std::vector<ListingLine> &lines) {
    std::vector<std::string_view> out;
    for (const ListingLine &line : lines) out.push_back(line.key);
    return out;
  };
  return align_lines(keys(function.old_lines), keys(function.new_lines));
}

ShortRows shorten_rows(const std::vector<SideRow> &rows, size_t context) {
  std::vector<bool> kept(rows.size(), false);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].changed) continue;
    const size_t end = std::min(rows.size(), i + context + 1);
    for (size_t k = i - std::min(i, context); k < end; ++k) kept[k] = true;
  }
  ShortRows out;
  size_t skipped = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!kept[i]) {
      ++skipped;
      continue;
    }
    if (skipped > 0) out.gaps.push_back({out.rows.size(), skipped});
    skipped = 0;
    out.rows.push_back(rows[i]);
  }
  if (skipped > 0) out.gaps.push_back({out.rows.size(), skipped});
  return out;
}

std::vector<SourceRow> split_hunk(const ReviewHunk &hunk) {
  std::vector<SourceRow> rows;
  std::vector<std::string> removed;
  std::vector<std::string> added;
  uint64_t old_number = hunk.pre_line;
  uint64_t new_number = hunk.post_line;
  const auto flush = [&] {
    pair_up(removed.size(), added.size(), [&](std::optional<size_t> old_index, std::optional<size_t> new_index) {
      SourceRow row;
      row.changed = true;
      if (old_index) row.old_text = removed[*old_index];
      if (old_index) row.old_number = old_number++;
      if (new_index) row.new_text = added[*new_index];
      if (new_index) row.new_number = new_number++;
      rows.push_back(std::move(row));
    });
    removed.clear();
    added.clear();
  };
  for (std::string_view line : split_lines(hunk.lines)) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    const char kind = line.empty() ? ' ' : line.front();
    const std::string text(line.empty() ? line : line.substr(1));
    if (kind == '-') {
      removed.push_back(text);
    } else if (kind == '+') {
      added.push_back(text);
    } else {
      flush();
      rows.push_back({text, text, old_number++, new_number++, false});
    }
  }
  flush();
  return rows;
}

}  // namespace suture
