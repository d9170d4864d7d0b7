// Reads the map a linker writes (-Map): which files it opened, in order, and which members of archives it took in.
// Understands the maps of GNU ld, gold and lld. A map is a report for people, so a line of another shape is skipped,
// never an error.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace suture {

struct LinkMap {
  std::vector<std::string> loads;  // GNU ld: every file opened, in order; empty for the others
  std::set<std::string> taken;     // "archive(member)", or the member's own path when the archive is thin
  std::vector<std::string> taken_in_order;
};

LinkMap parse_link_map(std::string_view text);

}  // namespace suture
