#include "build/line_diff.h"

#include <algorithm>
#include <cstdint>
#include <unordered_map>

namespace suture {
namespace {

constexpr int kMaxPatienceDepth = 64;
// Myers keeps one row of end points per edit: this many edits cost about 4 MB.
constexpr int64_t kMaxEdits = 1000;

struct Range {
  size_t begin, end;
  size_t size() const { return end - begin; }
};

class Differ {
 public:
  Differ(std::span<const std::string_view> pre, std::span<const std::string_view> post) {
    std::unordered_map<std::string_view, uint32_t> names;
    const auto intern = [&](std::span<const std::string_view> lines) {
      std::vector<uint32_t> out;
      out.reserve(lines.size());
      for (const std::string_view line : lines)
        out.push_back(names.emplace(line, static_cast<uint32_t>(names.size())).first->second);
      return out;
    };
    pre_ = intern(pre);
    post_ = intern(post);
  }

  std::vector<DiffHunk> run() && {
    compare({0, pre_.size()}, {0, post_.size()}, 0);
    return std::move(hunks_);
  }

 private:
  void compare(Range pre, Range post, int depth) {
    while (pre.size() > 0 && post.size() > 0 && pre_[pre.begin] == post_[post.begin]) ++pre.begin, ++post.begin;
    while (pre.size() > 0 && post.size() > 0 && pre_[pre.end - 1] == post_[post.end - 1]) --pre.end, --post.end;
    if (pre.size() == 0 || post.size() == 0) return emit(pre, post);
    const std::vector<Pair> anchors = depth < kMaxPatienceDepth ? unique_common_lines(pre, post) : std::vector<Pair>();
    if (anchors.empty()) return shortest_edit(pre, post);
    for (const Pair &anchor : anchors) {
      compare({pre.begin, anchor.pre}, {post.begin, anchor.post}, depth + 1);
      pre.begin = anchor.pre + 1;
      post.begin = anchor.post + 1;
    }
    compare(pre, post, depth + 1);
  }

  struct Pair {
    size_t pre, post;
  };

  // Lines that occur exactly once in each range, the longest sequence of them that is in order in both.
  std::vector<Pair> unique_common_lines(Range pre, Range post) const {
    struct Uses {
      size_t pre_count = 0, post_count = 0, pre_at = 0, post_at = 0;
    };
    std::unordered_map<uint32_t, Uses> uses;
    for (size_t i = pre.begin; i < pre.end; ++i) {
      Uses &use = uses[pre_[i]];
      ++use.pre_count;
      use.pre_at = i;
    }
    for (size_t i = post.begin; i < post.end; ++i) {
      Uses &use = uses[post_[i]];
      ++use.post_count;
      use.post_at = i;
    }
    std::vector<Pair> common;
    for (const auto &[line, use] : uses)
      if (use.pre_count == 1 && use.post_count == 1) common.push_back({use.pre_at, use.post_at});
    std::sort(common.begin(), common.end(), [](const Pair &a, const Pair &b) { return a.pre < b.pre; });
    return longest_increasing(common);
  }

  static std::vector<Pair> longest_increasing(const std::vector<Pair> &pairs) {
    std::vector<size_t> tails;  // tails[n]: index of the pair that ends the best sequence of length n + 1
    std::vector<size_t> before(pairs.size());
    for (size_t i = 0; i < pairs.size(); ++i) {
      const auto place = std::lower_bound(tails.begin(), tails.end(), pairs[i].post,
                                          [&](size_t tail, size_t post) { return pairs[tail].post < post; });
      before[i] = place == tails.begin() ? i : *(place - 1);
      if (place == tails.end())
        tails.push_back(i);
      else
        *place = i;
    }
    std::vector<Pair> out(tails.size());
    for (size_t n = tails.size(), at = tails.empty() ? 0 : tails.back(); n-- > 0; at = before[at]) out[n] = pairs[at];
    return out;
  }

  // Myers, "An O(ND) difference algorithm": row d, diagonal k holds how far along pre the best path with d edits gets
  // on diagonal k.
  void shortest_edit(Range pre, Range post) {
    const int64_t n = static_cast<int64_t>(pre.size()), m = static_cast<int64_t>(post.size());
    const int64_t limit = std::min(n + m, kMaxEdits);
    std::vector<std::vector<int64_t>> rows;  // row d holds diagonals -d..d
    for (int64_t d = 0; d <= limit; ++d) {
      std::vector<int64_t> row(static_cast<size_t>(2 * d + 1));
      for (int64_t k = -d; k <= d; k += 2) {
        int64_t x = 0;
        if (d > 0) x = step_down(rows.back(), d, k) ? at(rows.back(), d - 1, k + 1) : at(rows.back(), d - 1, k - 1) + 1;
        while (x < n && x - k < m && x - k >= 0 && same(pre, x, post, x - k)) ++x;
        row[static_cast<size_t>(k + d)] = x;
        if (x >= n && x - k >= m) {
          rows.push_back(std::move(row));
          return trace_back(rows, pre, post);
        }
      }
      rows.push_back(std::move(row));
    }
    emit(pre, post);
  }

  static int64_t at(const std::vector<int64_t> &row, int64_t d, int64_t k) { return row[static_cast<size_t>(k + d)]; }
  // Does the best path to diagonal k with d edits come from above (a line of post put in)?
  static bool step_down(const std::vector<int64_t> &before, int64_t d, int64_t k) {
    return k == -d || (k != d && at(before, d - 1, k - 1) < at(before, d - 1, k + 1));
  }
  bool same(Range pre, int64_t x, Range post, int64_t y) const {
    return pre_[pre.begin + static_cast<size_t>(x)] == post_[post.begin + static_cast<size_t>(y)];
  }

  void trace_back(const std::vector<std::vector<int64_t>> &rows, Range pre, Range post) {
    std::vector<DiffHunk> edits;  // single lines, last first
    int64_t x = static_cast<int64_t>(pre.size()), y = static_cast<int64_t>(post.size());
    for (int64_t d = static_cast<int64_t>(rows.size()) - 1; d > 0; --d) {
      const std::vector<int64_t> &before = rows[static_cast<size_t>(d - 1)];
      const int64_t k = x - y;
      const bool down = step_down(before, d, k);
      const int64_t from_k = down ? k + 1 : k - 1;
      x = at(before, d - 1, from_k);
      y = x - from_k;
      edits.push_back(
          {pre.begin + static_cast<size_t>(x), down ? 0u : 1u, post.begin + static_cast<size_t>(y), down ? 1u : 0u});
    }
    for (auto edit = edits.rbegin(); edit != edits.rend(); ++edit)
      emit({edit->pre_begin, edit->pre_begin + edit->pre_count},
           {edit->post_begin, edit->post_begin + edit->post_count});
  }

  void emit(Range pre, Range post) {
    if (pre.size() == 0 && post.size() == 0) return;
    if (!hunks_.empty()) {
      DiffHunk &last = hunks_.back();
      if (last.pre_begin + last.pre_count == pre.begin && last.post_begin + last.post_count == post.begin) {
        last.pre_count += pre.size();
        last.post_count += post.size();
        return;
      }
    }
    hunks_.push_back({pre.begin, pre.size(), post.begin, post.size()});
  }

  std::vector<uint32_t> pre_, post_;
  std::vector<DiffHunk> hunks_;
};

}  // namespace

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const size_t length = end == std::string_view::npos ? text.size() : end + 1;
    lines.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return lines;
}

std::vector<DiffHunk> diff_lines(std::span<const std::string_view> pre, std::span<const std::string_view> post) {
  return Differ(pre, post).run();
}

}  // namespace suture
