// Small pieces of HTML. Every text from outside goes through escaped().
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace suture {

// Safe as text and in double-quoted attributes; control characters become a visible mark.
std::string escaped(std::string_view text);

// A table; cells are HTML already.
class HtmlTable {
 public:
  explicit HtmlTable(const std::vector<std::string> &header);
  void add(const std::vector<std::string> &cells);
  std::string text() const { return rows_ == 0 ? std::string() : body_ + "</tbody></table>\n"; }

 private:
  std::string body_;
  size_t rows_ = 0;
};

// The style sheet of the page.
std::string_view page_style();

}  // namespace suture
