#include "diff/code_cache.h"

#include <algorithm>

namespace suture {

const std::vector<uint64_t> &CodeCache::item_starts(uint32_t object, uint32_t wanted) {
  const auto [it, inserted] = item_starts_.try_emplace({object, wanted});
  if (!inserted) return it->second;
  const ObjectGraph &graph = program_.object(object);
  std::vector<uint64_t> starts;
  for (uint32_t s = 1; s < graph.sections.size(); ++s) {
    for (uint32_t e = 0; e < graph.sections[s].edges.size(); ++e) {
      const uint32_t symbol = graph.sections[s].edges[e].symbol;
      if (graph.symbols[symbol].section != wanted) continue;
      const Reference reference = this->reference(object, s, e);
      if (reference.place.kind == Place::Kind::item && reference.place.section == wanted) starts.push_back(reference.place.item);
    }
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  item_starts_[{object, wanted}] = std::move(starts);
  return item_starts_[{object, wanted}];
}

ByteView CodeCache::item(const Place &place) {
  const ObjectSection &section = program_.section(place);
  const ByteView rest = item_bytes(section, place.item);
  if (section.kind == ObjectSection::Kind::strings || section.kind == ObjectSection::Kind::constants || section.pooled) return rest;
  const std::vector<uint64_t> &starts = item_starts(place.object, place.section);
  const auto next = std::upper_bound(starts.begin(), starts.end(), place.item);
  return next == starts.end() ? rest : rest.subspan(0, std::min<size_t>(rest.size(), *next - place.item));
}

bool CodeCache::is_call(uint32_t object, uint32_t section, uint32_t edge) {
  const uint64_t offset = program_.object(object).sections[section].edges[edge].offset;
  const CodeInstruction *instruction = code(object, section).instruction_with(offset);
  return instruction != nullptr && instruction->insn.flow != Instruction::Flow::next;
}

}  // namespace suture
