// Tables and texts for people: columns as wide as their widest cell, the last one unpadded. Cells from packages and
// targets are made safe for a terminal first.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace suture::cli {

// Control characters and invalid UTF-8 become \xNN: a process name or a description must not steer the reader's
// terminal.
std::string printable(std::string_view text);

// The same, with names of C++ as people write them (base/demangle.h).
std::string readable(std::string_view text);

// "12 B", "3.4 KiB", "1.2 MiB".
std::string human_size(uint64_t bytes);

class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }
  // Each line begins with `indent` spaces.
  std::string text(size_t indent = 0) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace suture::cli
