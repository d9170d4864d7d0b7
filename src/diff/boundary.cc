#include "diff/boundary.h"

#include <algorithm>

#include "base/cat.h"

namespace suture {

namespace {

using Kind = ObjectSection::Kind;

struct Target {
  std::string name;
  Place place;
  uint64_t offset = 0;
  bool global = false;
};

std::optional<Target> find_function(const Program &program, const std::string &object, const std::string &function) {
  const auto target = [&](uint32_t o, const ObjectSymbol &symbol) -> std::optional<Target> {
    if (!symbol.in_section()) return std::nullopt;
    return Target{function, program.section_place(o, symbol.section), symbol.value, !symbol.local()};
  };
  for (uint32_t o = 0; o < program.object_count(); ++o) {
    if (program.object(o).path != object) continue;
    for (const ObjectSymbol &symbol : program.object(o).symbols)
      if (symbol.name == function && symbol.defined()) return target(o, symbol);
  }
  return std::nullopt;
}

constexpr size_t kMostNamed = 6;

// The search for references to one function in what stays as it is: by address, and by calls from objects that did not change,
// which were compiled with what they knew of it before.
class AddressSearch {
 public:
  AddressSearch(const DiffInput &input, const Target &target) : in_(input), target_(target) {}

  void run() {
    const Program &post = in_.post->program();
    for (uint32_t o = 0; o < post.object_count(); ++o) {
      const ObjectGraph &graph = post.object(o);
      for (uint32_t s = 1; s < graph.sections.size(); ++s)
        if (stays(graph.sections[s]) && in_.comparison->of(o, s) == Change::same) look_at(o, s);
    }
  }

  std::vector<std::string> holders;
  std::vector<std::string> callers;

 private:
  static bool stays(const ObjectSection &section) {
    return section.kind == Kind::code || section.kind == Kind::data || section.is_constant() || section.kind == Kind::init;
  }

  void look_at(uint32_t o, uint32_t s) {
    const ObjectGraph &graph = in_.post->program().object(o);
    const ObjectSection &section = graph.sections[s];
    for (uint32_t e = 0; e < section.edges.size(); ++e) {
      const ObjectSymbol &symbol = graph.symbols[section.edges[e].symbol];
      // Cheap test before the reference is worked out.
      if (symbol.local() ? o != target_.place.object || symbol.section != target_.place.section : symbol.name != target_.name) continue;
      const Reference reference = in_.post->reference(o, s, e);
      const bool call = section.kind == Kind::code && (reference.access == Access::plt || in_.post->is_call(o, s, e));
      if (!refers(reference) || (call && may_know_better(o))) continue;
      (call ? callers : holders).push_back(name_in_object(o, s));
      return;
    }
  }

  bool may_know_better(uint32_t o) const { return in_.changed_objects == nullptr || (*in_.changed_objects)[o] || o == target_.place.object; }
  std::string name_in_object(uint32_t o, uint32_t s) const {
    const Program &post = in_.post->program();
    return cat(post.describe(post.section_place(o, s)), " (", post.object(o).path, ")");
  }

  bool refers(const Reference &reference) const {
    if (reference.place.kind == Place::Kind::named) return in_.post->program().name(reference.place.name) == target_.name;
    return reference.place == target_.place && reference.offset == static_cast<int64_t>(target_.offset);
  }

  const DiffInput &in_;
  const Target &target_;
};

std::string first_names(const std::vector<std::string> &names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMostNamed); ++i) text += cat(i == 0 ? "" : ", ", names[i]);
  return names.size() > kMostNamed ? cat(text, " and ", names.size() - kMostNamed, " more") : text;
}

bool exported(const Image &image, const std::string &name) {
  return std::any_of(image.dynamic_symbols.begin(), image.dynamic_symbols.end(),
                     [&](const ImageSymbol &symbol) { return symbol.defined && symbol.global && symbol.name == name; });
}

}  // namespace

std::string reached_from_outside(const DiffInput &input, const std::string &object, const std::string &function) {
  const auto target = find_function(input.post->program(), object, function);
  if (!target) return {};
  AddressSearch search(input, *target);
  search.run();
  std::string text;
  const auto add = [&](const std::string &reason) { text += cat(text.empty() ? "" : "; ", reason); };
  if (target->global && exported(*input.image, function)) add("other modules may call it (the image exports it)");
  if (!search.holders.empty()) add(cat("its address is in ", first_names(search.holders), ", which the patch does not replace"));
  if (!search.callers.empty()) add(cat("it is called by ", first_names(search.callers), ", compiled to the same as before and not replaced"));
  return text;
}

}  // namespace suture
