#include "diff/local_code.h"

#include <set>

#include "base/cat.h"
#include "diff/names.h"

namespace suture {

namespace {

using Kind = ObjectSection::Kind;

// Debugging information names constructors and destructors as such (C4, D4) or as the variant that is called (C1, C2).
std::string without_variants(std::string name) {
  for (size_t i = 0; i + 2 < name.size(); ++i)
    if ((name[i] == 'C' || name[i] == 'D') && name[i + 1] >= '0' && name[i + 1] <= '5' && name[i + 2] == 'E')
      name[i + 1] = '#';
  return name;
}

// Names of local entities hold Z <encoding of the function> E (Itanium C++ ABI 5.1.6). What debugging information gives
// no linker's name (extern "C", members of templates over local types) is known by its plain one only.
bool belongs_to(const std::string &name, const std::string &function) {
  if (!name.starts_with("_Z")) return false;
  const std::string part =
      function.starts_with("_Z") ? cat("Z", function.substr(2), "E") : cat(function.size(), function);
  return without_variants(name).find(without_variants(part), 1) != std::string::npos;
}

// The search through the program before the patch for what leads to one function.
class Reach {
 public:
  Reach(const DiffInput &input, const Place &target) : in_(input), target_(target) {
    const Program &pre = input.pre->program();
    for (const uint32_t s : pre.symbols_in(target.object, target.section))
      names_.insert(pre.object(target.object).symbols[s].name);
  }

  // Not only by calls from code that is replaced as well?
  bool is_reached() {
    const Program &pre = in_.pre->program();
    for (uint32_t o = 0; o < pre.object_count(); ++o) {
      const ObjectGraph &graph = pre.object(o);
      for (uint32_t s = 1; s < graph.sections.size(); ++s)
        if (graph.sections[s].loaded() && graph.sections[s].kind != Kind::unwind && leads_to(o, s)) return true;
    }
    return false;
  }

 private:
  bool leads_to(uint32_t o, uint32_t s) {
    const ObjectGraph &graph = in_.pre->program().object(o);
    const ObjectSection &section = graph.sections[s];
    if (target_ == Place{Place::Kind::section, o, s, 0, 0}) return false;
    for (uint32_t e = 0; e < section.edges.size(); ++e) {
      const ObjectSymbol &symbol = graph.symbols[section.edges[e].symbol];
      // A copy that the linker drops refers to what it keeps by name.
      const bool means_it =
          symbol.local() ? o == target_.object && symbol.section == target_.section : names_.contains(symbol.name);
      if (!means_it) continue;
      if (section.kind != Kind::code || !is_replaced(o, s) || !in_.pre->is_call(o, s, e)) return true;
    }
    return false;
  }

  bool is_replaced(uint32_t o, uint32_t s) const {
    const auto twin = in_.twins->post_of(o, s);
    return twin && in_.comparison->of(o, *twin) == Change::changed;
  }

  const DiffInput &in_;
  Place target_;
  std::set<std::string> names_;
};

}  // namespace

std::string reached_local_code(const DiffInput &input, const std::string &function) {
  const Program &post = input.post->program();
  for (const Difference &difference : input.comparison->differences()) {
    if (difference.change != Change::changed ||
        post.object(difference.object).sections[difference.section].kind != Kind::code)
      continue;
    if (is_part_name(difference.name) || !belongs_to(difference.name, function)) continue;
    const Place own{Place::Kind::section, difference.object, difference.section, 0, 0};
    const auto pre = Comparison::pre_place(input.pre->program(), post, *input.twins, own);
    if (pre && Reach(input, *pre).is_reached()) return difference.name;
  }
  return {};
}

}  // namespace suture
