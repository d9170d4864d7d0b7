#include "build/link_map.h"

namespace suture {
namespace {

std::string_view without_trailing_blanks(std::string_view text) {
  const size_t last = text.find_last_not_of(" \t\r");
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

// GNU ld and gold pad the member's name to 30 columns and go on with what needed it; a name of 29 or more characters
// has the line to itself.
std::string_view taken_name(std::string_view line) {
  constexpr size_t kPad = 29;
  if (line.size() > kPad && line[kPad] == ' ') return without_trailing_blanks(line.substr(0, kPad));
  return without_trailing_blanks(line);
}

// lld: "  1719  1719  b  1         liba.a(a.o):(.text)"
std::string_view lld_input(std::string_view line) {
  const size_t end = line.find(":(");
  if (end == std::string_view::npos) return {};
  size_t at = 0;
  for (int column = 0; column < 4; ++column) {
    at = line.find_first_not_of(' ', at);
    if (at == std::string_view::npos) return {};
    const size_t stop = line.find(' ', at);
    if (stop == std::string_view::npos) return {};
    if (line.substr(at, stop - at).find_first_not_of("0123456789abcdef") != std::string_view::npos) return {};
    at = stop;
  }
  at = line.find_first_not_of(' ', at);
  return at == std::string_view::npos || at >= end ? std::string_view() : line.substr(at, end - at);
}

}  // namespace

LinkMap parse_link_map(std::string_view text) {
  LinkMap map;
  const auto take = [&](std::string_view name) {
    if (!name.empty() && map.taken.emplace(name).second) map.taken_in_order.emplace_back(name);
  };
  enum class Part { other, members, lld } part = Part::other;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("Archive member included")) {
      part = Part::members;
    } else if (line.find("Align Out     In      Symbol") != std::string_view::npos) {
      part = Part::lld;
    } else if (line.starts_with("LOAD ")) {
      part = Part::other;
      map.loads.emplace_back(without_trailing_blanks(line.substr(5)));
    } else if (part == Part::members && !line.empty() && line[0] != ' ') {
      if (line.find('(') != std::string_view::npos || line.find(".o") != std::string_view::npos)
        take(taken_name(line));
      else
        part = Part::other;  // the heading of the next part
    } else if (part == Part::lld) {
      const std::string_view name = lld_input(line);
      if (name.ends_with(")")) take(name);
    }
  }
  return map;
}

}  // namespace suture
