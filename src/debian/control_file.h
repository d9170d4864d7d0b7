// Debian's control files (deb822): stanzas of "Field: value" with continued lines. What they say comes from a mirror or a
// source package; names and versions taken from one are checked by their users (version.h) before they become words of a command.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace suture {

class Stanza {
 public:
  // Empty when there is no such field; names are given in lower case.
  const std::string &get(const std::string &field) const;
  bool empty() const { return fields_.empty(); }
  void set(std::string field, std::string value) { fields_[std::move(field)] = std::move(value); }
  void append_line(const std::string &field, std::string_view line) { fields_[field].append("\n").append(line); }

 private:
  std::map<std::string, std::string> fields_;
};

Result<std::vector<Stanza>> parse_control(std::string_view text);

// The words of a value that are set apart by white space or commas.
std::vector<std::string> words_of(std::string_view value);

}  // namespace suture
