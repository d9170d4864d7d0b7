#include "diff/merge_objects.h"

#include <algorithm>
#include <unordered_map>

namespace suture {

namespace {

using Visibility = ObjectSymbol::Visibility;

void append(const ObjectGraph &from, ObjectGraph &to) {
  const auto first_section = static_cast<uint32_t>(to.sections.size());
  const auto first_symbol = static_cast<uint32_t>(to.symbols.size());
  for (const ObjectSection &section : from.sections) {
    to.sections.push_back(section);
    for (Edge &edge : to.sections.back().edges) edge.symbol += first_symbol;
  }
  for (const ObjectSymbol &symbol : from.symbols) {
    to.symbols.push_back(symbol);
    if (symbol.in_section()) to.symbols.back().section += first_section;
  }
}

// What the linker would bind within the image whatever else is loaded, and nothing outside can name.
bool is_private(const ObjectSymbol &symbol) {
  return symbol.in_section() && !symbol.local() && symbol.visibility == Visibility::hidden && symbol.kind != ObjectSymbol::Kind::ifunc;
}

}  // namespace

ObjectGraph merge_objects(const std::vector<std::shared_ptr<const ObjectGraph>> &objects, std::string path) {
  ObjectGraph merged;
  merged.path = std::move(path);
  for (const auto &object : objects) {
    merged.arch = object->arch;
    append(*object, merged);
  }
  std::unordered_map<std::string, uint32_t> defined;
  for (uint32_t s = 0; s < merged.symbols.size(); ++s)
    if (is_private(merged.symbols[s])) defined.emplace(merged.symbols[s].name, s);
  std::vector<uint32_t> meant(merged.symbols.size());
  for (uint32_t s = 0; s < merged.symbols.size(); ++s) {
    const auto it = merged.symbols[s].local() ? defined.end() : defined.find(merged.symbols[s].name);
    meant[s] = it == defined.end() ? s : it->second;
  }
  for (ObjectSection &section : merged.sections)
    for (Edge &edge : section.edges) edge.symbol = meant[edge.symbol];
  for (const auto &[name, s] : defined) merged.symbols[s].binding = ObjectSymbol::Binding::local;
  // Nothing refers to the other partitions' mentions of them any more.
  for (uint32_t s = 0; s < merged.symbols.size(); ++s)
    if (meant[s] != s) merged.symbols[s] = ObjectSymbol{};
  if (merged.sections.empty()) merged.sections.emplace_back();
  if (merged.symbols.empty()) merged.symbols.emplace_back();
  return merged;
}

}  // namespace suture
