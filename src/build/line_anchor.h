// Keeps the line numbers of unchanged source text the same after a fix, so that functions behind the hunk that hold
// __LINE__ (assert, logging) do not all come out changed: post text is given `#line` directives after each hunk that
// changes the number of lines. A directive is put only where it cannot change the meaning: not after a continued line,
// not within a comment, a string or the arguments of a macro.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace suture {

// Which line the compiler is told for a line of the post text; both from 1.
class LineMap {
 public:
  size_t told(size_t post_line) const;
  void add(size_t first_post_line, size_t told_line) { segments_.push_back({first_post_line, told_line}); }
  bool empty() const { return segments_.empty(); }

 private:
  struct Segment {
    size_t post_line, told_line;
  };
  std::vector<Segment> segments_;  // by post_line
};

struct AnchoredText {
  std::string text;
  LineMap map;
};

// Post's text with pre's numbers. Text that has #line directives of its own is returned as it is: it was generated, and
// its numbers come from elsewhere.
AnchoredText anchor_lines(std::string_view pre, std::string_view post);

// Is this a file that a C or C++ preprocessor reads?
bool is_anchorable(const std::filesystem::path &path, std::string_view text);

// What is known of the start of each line.
struct LineStart {
  bool safe = false;     // a directive may be put before this line
  int conditionals = 0;  // #if open here
  int closes_branch_of =
      0;  // the line before ended a branch (#else, #elif, #endif) of the conditional with this depth; else 0
};
struct ScannedSource {
  std::vector<LineStart> lines;
  bool has_line_directives = false;
};
ScannedSource scan_source(std::string_view text);

}  // namespace suture
