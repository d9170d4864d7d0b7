#include "diff/names.h"

#include <algorithm>

namespace suture {

std::string without_numbers(std::string_view name) {
  std::string out;
  size_t at = 0;
  while (at < name.size()) {
    const size_t dot = name.find('.', at);
    if (dot == std::string_view::npos) break;
    const size_t end = std::min(name.find('.', dot + 1), name.size());
    out += name.substr(at, dot + 1 - at);
    const std::string_view component = name.substr(dot + 1, end - dot - 1);
    // What link-time optimisation made visible to its other partitions, this time: foo.lto_priv.0 is foo.
    if (component == "lto_priv") {
      out.pop_back();
      at = std::min(name.find('.', std::min(end + 1, name.size())), name.size());
      continue;
    }
    const bool number = !component.empty() && std::all_of(component.begin(), component.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (number) out += '#';
    else out += component;
    at = end;
  }
  out += name.substr(at);
  return out;
}

bool is_part_name(std::string_view name) { return name.find(".cold") != std::string_view::npos; }

}  // namespace suture
