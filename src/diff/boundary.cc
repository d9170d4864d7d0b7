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

// The search for references to one function in what stays as it is.
class AddressSearch {
 public:
  AddressSearch(const DiffInput &input, const Target &target) : in_(input), target_(target) {}

  std::string run() {
    const Program &post = in_.post->program();
    for (uint32_t o = 0; o < post.object_count(); ++o) {
      const ObjectGraph &graph = post.object(o);
      for (uint32_t s = 1; s < graph.sections.size(); ++s)
        if (stays(graph.sections[s]) && in_.comparison->of(o, s) == Change::same && takes_address(o, s)) return post.describe(post.section_place(o, s));
    }
    return {};
  }

 private:
  static bool stays(const ObjectSection &section) {
    return section.kind == Kind::code || section.kind == Kind::data || section.kind == Kind::rodata || section.kind == Kind::relro || section.kind == Kind::init;
  }

  bool takes_address(uint32_t o, uint32_t s) {
    const ObjectGraph &graph = in_.post->program().object(o);
    const ObjectSection &section = graph.sections[s];
    for (uint32_t e = 0; e < section.edges.size(); ++e) {
      const ObjectSymbol &symbol = graph.symbols[section.edges[e].symbol];
      // Cheap test before the reference is worked out.
      if (symbol.local() ? o != target_.place.object || symbol.section != target_.place.section : symbol.name != target_.name) continue;
      if (refers(in_.post->reference(o, s, e)) && !(section.kind == Kind::code && is_call(o, s, e))) return true;
    }
    return false;
  }

  bool refers(const Reference &reference) const {
    if (reference.access == Access::plt) return false;
    if (reference.place.kind == Place::Kind::named) return in_.post->program().name(reference.place.name) == target_.name;
    return reference.place == target_.place && reference.offset == static_cast<int64_t>(target_.offset);
  }

  bool is_call(uint32_t o, uint32_t s, uint32_t edge) {
    for (const CodeInstruction &instruction : in_.post->code(o, s).instructions) {
      if (edge < instruction.first_edge || edge >= instruction.first_edge + instruction.edge_count) continue;
      // A call or jump through a slot (call *f@GOTPCREL) calls as well.
      return instruction.insn.flow != Instruction::Flow::next;
    }
    return false;
  }

  const DiffInput &in_;
  const Target &target_;
};

bool exported(const Image &image, const std::string &name) {
  return std::any_of(image.dynamic_symbols.begin(), image.dynamic_symbols.end(),
                     [&](const ImageSymbol &symbol) { return symbol.defined && symbol.global && symbol.name == name; });
}

}  // namespace

std::string reached_from_outside(const DiffInput &input, const std::string &object, const std::string &function) {
  const auto target = find_function(input.post->program(), object, function);
  if (!target) return {};
  if (target->global && exported(*input.image, function)) return "other modules may call it (the image exports it)";
  const std::string holder = AddressSearch(input, *target).run();
  return holder.empty() ? holder : cat("its address is in ", holder, ", which is not replaced");
}

}  // namespace suture
