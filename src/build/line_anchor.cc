#include "build/line_anchor.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/cat.h"
#include "build/line_diff.h"

namespace suture {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

// Walks over source text as a preprocessor does, as far as comments, literals, directives and parentheses go.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  ScannedSource run() && {
    begin_line();
    while (at_ < text_.size()) step();
    return std::move(result_);
  }

 private:
  enum class In { code, block_comment, line_comment };

  void step() {
    if (const size_t splice = splice_length(at_)) return continue_line(splice);
    const char c = text_[at_];
    if (in_ == In::block_comment) return step_in_block_comment(c);
    if (c == '\n') return end_line();
    if (in_ == In::line_comment) return advance(1);
    if (c == '/' && peek(1) == '*') return in_ = In::block_comment, advance(2);
    if (c == '/' && peek(1) == '/') return in_ = In::line_comment, advance(2);
    if (is_blank(c)) return advance(1);
    if (c == '#' && only_blanks_) return take_directive();
    only_blanks_ = false;
    if (c == '"' || c == '\'') return take_literal(c);
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return take_number();
    if (is_word(c)) return take_word();
    if (!in_directive_ && c == '(') ++parentheses_;
    if (!in_directive_ && c == ')' && parentheses_ > 0) --parentheses_;
    advance(1);
  }

  void step_in_block_comment(char c) {
    if (c == '\n') {
      advance(1);
      return begin_line();
    }
    if (c == '*' && peek(1) == '/') return in_ = In::code, advance(2);
    advance(1);
  }

  // Length of a backslash, blanks (gcc allows them) and the end of the line; 0 when there is none here.
  size_t splice_length(size_t at) const {
    if (text_[at] != '\\') return 0;
    size_t end = at + 1;
    while (end < text_.size() && is_blank(text_[end])) ++end;
    return end < text_.size() && text_[end] == '\n' ? end + 1 - at : 0;
  }

  void continue_line(size_t length) {
    advance(length);
    add_inner_line();
  }

  // A line that begins within something: no directive may stand before it.
  void add_inner_line() {
    if (at_ < text_.size()) result_.lines.push_back({false, static_cast<int>(conditionals_.size()), 0});
  }

  // A logical line ends here.
  void end_line() {
    in_ = In::code;
    const int closed = std::exchange(closed_branch_, 0);
    in_directive_ = false;
    only_blanks_ = true;
    advance(1);
    begin_line();
    if (at_ < text_.size()) result_.lines.back().closes_branch_of = closed;
  }

  void begin_line() {
    if (at_ >= text_.size()) return;
    // A brace alone in the first column ends a function: whatever parenthesis seemed open was in text that is not code.
    if (in_ == In::code && !in_directive_ && text_[at_] == '}' && (peek(1) == '\n' || peek(1) == '\r'))
      parentheses_ = 0;
    const bool safe = in_ == In::code && !in_directive_ && parentheses_ == 0;
    result_.lines.push_back({safe, static_cast<int>(conditionals_.size()), 0});
  }

  void take_directive() {
    in_directive_ = true;
    only_blanks_ = false;
    advance(1);
    while (at_ < text_.size() && is_blank(text_[at_])) advance(1);
    const size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) advance(1);
    const std::string_view name = text_.substr(begin, at_ - begin);
    if (name == "line" || (!name.empty() && is_digit(name[0]))) result_.has_line_directives = true;
    if (name == "if" || name == "ifdef" || name == "ifndef")
      open_conditional(name);
    else if (name == "else" || name.starts_with("elif"))
      next_branch(name);
    else if (name == "endif")
      close_conditional();
  }

  struct Conditional {
    int before;     // parentheses open at the #if
    int ends = -1;  // the most that are open at the end of a branch that may be compiled
    bool dead;      // the branch being read follows a literal `#if 0`: its text may be anything
    bool has_else = false;
  };

  void open_conditional(std::string_view name) {
    size_t at = at_;
    while (at < text_.size() && is_blank(text_[at])) ++at;
    const bool dead =
        name == "if" && at < text_.size() && text_[at] == '0' && (at + 1 == text_.size() || !is_word(text_[at + 1]));
    conditionals_.push_back({parentheses_, -1, dead});
  }

  void end_branch(Conditional &conditional) {
    if (!conditional.dead) conditional.ends = std::max(conditional.ends, parentheses_);
    conditional.dead = false;
    closed_branch_ = static_cast<int>(conditionals_.size());
  }

  void next_branch(std::string_view name) {
    if (conditionals_.empty()) return;
    Conditional &conditional = conditionals_.back();
    end_branch(conditional);
    if (name == "else") conditional.has_else = true;
    parentheses_ = conditional.before;
  }

  void close_conditional() {
    if (conditionals_.empty()) return;
    Conditional &conditional = conditionals_.back();
    end_branch(conditional);
    if (!conditional.has_else) conditional.ends = std::max(conditional.ends, conditional.before);
    parentheses_ = conditional.ends;
    conditionals_.pop_back();
  }

  // A string or character literal ends at the end of the line at the latest: an apostrophe in text that is not compiled
  // (#if 0, #error) opens nothing.
  void take_literal(char quote) {
    advance(1);
    while (at_ < text_.size() && text_[at_] != '\n') {
      if (const size_t splice = splice_length(at_)) {
        continue_line(splice);
        continue;
      }
      const char c = text_[at_];
      advance(c == '\\' && at_ + 1 < text_.size() ? 2 : 1);
      if (c == quote) return;
    }
  }

  // A preprocessing number; in C++ an apostrophe may separate its digits.
  void take_number() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool exponent = (c == '+' || c == '-') && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E' ||
                                                       text_[at_ - 1] == 'p' || text_[at_ - 1] == 'P');
      if (!is_word(c) && c != '.' && !exponent && !(c == '\'' && is_word(peek(1)))) return;
      advance(1);
    }
  }

  void take_word() {
    const size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) advance(1);
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (peek(0) == '"' && (word == "R" || word == "LR" || word == "uR" || word == "UR" || word == "u8R"))
      take_raw_string();
  }

  void take_raw_string() {
    constexpr size_t kMaxDelimiter = 16;  // of the language
    const size_t open = text_.find('(', at_);
    if (open == std::string_view::npos || open - at_ - 1 > kMaxDelimiter) return take_literal('"');
    const std::string end = cat(")", text_.substr(at_ + 1, open - at_ - 1), "\"");
    const size_t close = std::min(text_.find(end, open), text_.size());
    const size_t stop = std::min(close + end.size(), text_.size());
    while (at_ < stop) {
      const bool ends_line = text_[at_++] == '\n';
      if (ends_line) add_inner_line();
    }
  }

  char peek(size_t ahead) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void advance(size_t count) { at_ += count; }

  std::string_view text_;
  size_t at_ = 0;
  In in_ = In::code;
  bool in_directive_ = false;
  bool only_blanks_ = true;
  int parentheses_ = 0;
  int closed_branch_ = 0;
  std::vector<Conditional> conditionals_;
  ScannedSource result_;
};

constexpr size_t kNoTwin = static_cast<size_t>(-1);

// For each post line its pre line, where they are equal.
std::vector<size_t> twins_of_lines(const std::vector<std::string_view> &pre,
                                   const std::vector<std::string_view> &post) {
  std::vector<size_t> twins(post.size(), kNoTwin);
  size_t pre_at = 0, post_at = 0;
  const auto pair_up_to = [&](size_t post_end) {
    while (post_at < post_end) twins[post_at++] = pre_at++;
  };
  for (const DiffHunk &hunk : diff_lines(pre, post)) {
    pair_up_to(hunk.post_begin);
    pre_at += hunk.pre_count;
    post_at += hunk.post_count;
  }
  pair_up_to(post.size());
  return twins;
}

bool only_blank_lines_from(const std::vector<std::string_view> &lines, size_t first) {
  return std::all_of(lines.begin() + static_cast<ptrdiff_t>(first), lines.end(), [](std::string_view line) {
    return line.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
  });
}

}  // namespace

size_t LineMap::told(size_t post_line) const {
  const auto after = std::upper_bound(segments_.begin(), segments_.end(), post_line,
                                      [](size_t line, const Segment &segment) { return line < segment.post_line; });
  if (after == segments_.begin()) return post_line;
  return (after - 1)->told_line + (post_line - (after - 1)->post_line);
}

ScannedSource scan_source(std::string_view text) {
  return Scanner(text).run();
}

AnchoredText anchor_lines(std::string_view pre, std::string_view post) {
  AnchoredText out;
  const std::vector<std::string_view> pre_lines = split_lines(pre), post_lines = split_lines(post);
  const ScannedSource scanned = scan_source(post);
  if (scanned.has_line_directives || scan_source(pre).has_line_directives ||
      scanned.lines.size() != post_lines.size()) {
    out.text = post;
    return out;
  }
  const std::vector<size_t> twins = twins_of_lines(pre_lines, post_lines);
  // told line = own line + shift. A directive within #if may not be compiled, so it is repeated where each branch of
  // the conditionals around it ends: `exposed` counts those conditionals.
  ptrdiff_t shift = 0;
  int exposed = 0;
  bool due = false;
  for (size_t i = 0; i < post_lines.size(); ++i) {
    const LineStart &start = scanned.lines[i];
    if (start.closes_branch_of > 0 && start.closes_branch_of <= exposed) {
      due = true;
      exposed = std::min(exposed, start.conditionals);
    }
    if (twins[i] != kNoTwin) {
      const ptrdiff_t wanted = static_cast<ptrdiff_t>(twins[i]) - static_cast<ptrdiff_t>(i);
      due = due || wanted != shift;
      // Behind an include guard's #endif nothing has a number, and the guard is only seen as one when nothing follows
      // it.
      if (due && start.safe && !only_blank_lines_from(post_lines, i)) {
        out.text += cat("#line ", twins[i] + 1, "\n");
        out.map.add(i + 1, twins[i] + 1);
        shift = wanted;
        exposed = start.conditionals;
        due = false;
      }
    }
    out.text += post_lines[i];
  }
  return out;
}

bool is_anchorable(const std::filesystem::path &path, std::string_view text) {
  static constexpr std::array kSuffixes = {".c",   ".cc",  ".cp",  ".cpp", ".cxx", ".c++", ".C",
                                           ".h",   ".hh",  ".hpp", ".hxx", ".h++", ".H",   ".inl",
                                           ".ipp", ".tcc", ".tpp", ".txx", ".ixx", ".m",   ".mm"};
  const std::string suffix = path.extension().string();
  // The name is also used for makefiles, assembler, PHP.
  if (suffix == ".inc")
    return text.find(";\n") != std::string_view::npos && text.find("<?") == std::string_view::npos &&
           text.find("\n%") == std::string_view::npos;
  return std::find(kSuffixes.begin(), kSuffixes.end(), suffix) != kSuffixes.end();
}

}  // namespace suture
