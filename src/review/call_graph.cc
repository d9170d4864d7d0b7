#include "review/call_graph.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/cat.h"
#include "review/html.h"

namespace suture {

namespace {

constexpr size_t kMostPerFunction = 12;  // neighbours on either side of one function; the rest is told as a number
constexpr size_t kMostBoxes = 120;       // in one column: a picture of more says nothing
constexpr size_t kMostBoxLetters = 38;
constexpr int kRow = 26;
constexpr int kBoxHeight = 20;
constexpr int kBoxWidth = 300;
constexpr int kGap = 130;
constexpr int kMargin = 12;

enum class Side { callers = 0, patch = 1, callees = 2 };

struct Column {
  std::vector<std::string> names;
  std::map<std::string, size_t> index;
  size_t place(const std::string &name) {
    const auto [it, inserted] = index.try_emplace(name, names.size());
    if (inserted) names.push_back(name);
    return it->second;
  }
};

std::string shortened(const std::string &name) {
  if (name.size() <= kMostBoxLetters) return name;
  return name.substr(0, kMostBoxLetters - 1) + "\xe2\x80\xa6";  // an ellipsis
}

class Drawing {
 public:
  explicit Drawing(const ReviewImage &image) {
    for (const ReviewFunction &function : image.functions) in_patch_.insert(function.name);
    for (const ReviewFunction &function : image.functions) {
      if (column(Side::patch).names.size() == kMostBoxes) break;
      add(function);
    }
  }

  std::string text() const {
    size_t rows = 0;
    for (const Column &one : columns_) rows = std::max(rows, one.names.size());
    if (column(Side::patch).names.empty()) return {};
    const int width = 3 * kBoxWidth + 2 * kGap + 2 * kMargin;
    const int height = static_cast<int>(rows) * kRow + 2 * kMargin + kRow;
    std::string out = fmt::format("<svg viewBox=\"0 0 {} {}\" width=\"{}\" role=\"img\" aria-label=\"call graph\">\n",
                                  width, height, width);
    for (const auto &[side, title] : {std::pair(Side::callers, "called or pointed to by"),
                                      std::pair(Side::patch, "in the patch"), std::pair(Side::callees, "refers to")})
      out += fmt::format("<text x=\"{}\" y=\"{}\" class=\"soft\">{}</text>\n", left(side), kMargin + 8, title);
    for (const auto &[from, to, from_side] : lines_) out += line(from, to, from_side);
    for (const Side side : {Side::callers, Side::patch, Side::callees})
      for (size_t i = 0; i < column(side).names.size(); ++i) out += box(side, i);
    return out + "</svg>\n";
  }

 private:
  struct Line {
    size_t from, to;
    Side from_side;
  };
  Column &column(Side side) { return columns_[static_cast<size_t>(side)]; }
  const Column &column(Side side) const { return columns_[static_cast<size_t>(side)]; }

  void add(const ReviewFunction &function) {
    const size_t self = column(Side::patch).place(function.name);
    std::set<std::string> callees;
    for (const ReviewReference &reference : function.references)
      if (reference.how == "call" || reference.in_patch) callees.insert(reference.to);
    join(
        function.callers,
        [&](const std::string &name) {
          lines_.push_back({column(Side::callers).place(name), self, Side::callers});
        },
        Side::callers);
    join(
        {callees.begin(), callees.end()},
        [&](const std::string &name) {
          lines_.push_back({self, column(Side::callees).place(name), Side::patch});
        },
        Side::callees);
  }

  template <typename Join>
  void join(const std::vector<std::string> &names, Join one, Side side) {
    size_t drawn = 0;
    for (const std::string &name : names) {
      if (drawn == kMostPerFunction || column(side).names.size() >= kMostBoxes) {
        one(cat("and ", names.size() - drawn, " more"));
        return;
      }
      one(name);
      ++drawn;
    }
  }

  static int left(Side side) { return kMargin + static_cast<int>(side) * (kBoxWidth + kGap); }
  static int top(size_t row) { return kMargin + kRow + static_cast<int>(row) * kRow - 8; }

  std::string box(Side side, size_t row) const {
    const std::string &name = column(side).names[row];
    const bool ours = side == Side::patch || in_patch_.contains(name);
    return fmt::format(
        "<g{}><title>{}</title><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"4\"/><text x=\"{}\" "
        "y=\"{}\">{}</text></g>\n",
        ours ? " class=\"in\"" : "", escaped(name), left(side), top(row), kBoxWidth, kBoxHeight, left(side) + 8,
        top(row) + 14, escaped(shortened(name)));
  }

  static std::string line(size_t from, size_t to, Side from_side) {
    const int x1 = left(from_side) + kBoxWidth;
    const int x2 = x1 + kGap;
    const int y1 = top(from) + kBoxHeight / 2;
    const int y2 = top(to) + kBoxHeight / 2;
    return fmt::format("<path d=\"M{} {}C{} {} {} {} {} {}\"/>\n", x1, y1, x1 + kGap / 2, y1, x2 - kGap / 2, y2, x2,
                       y2);
  }

  Column columns_[3];
  std::vector<Line> lines_;
  std::set<std::string> in_patch_;
};

}  // namespace

std::string draw_call_graph(const ReviewImage &image) {
  return Drawing(image).text();
}

}  // namespace suture
