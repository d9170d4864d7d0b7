#include "diff/code_cache.h"

#include <algorithm>

namespace suture {

std::shared_ptr<const Code> CodeCache::code(uint32_t object, uint32_t section) {
  const Key key(object, section);
  for (const Decoded &known : decoded_)
    if (known.code && known.key == key) return known.code;
  Decoded &place = decoded_[next_];
  next_ = (next_ + 1) % kDecodedSections;
  place = {key, std::make_shared<const Code>(decode_code(arch_, program_.object(object).sections[section]))};
  return place.code;
}

const std::vector<CodeCache::KnownEdge> &CodeCache::edges(uint32_t object, uint32_t section) {
  const auto [it, inserted] = edges_.try_emplace({object, section});
  if (!inserted) return it->second;
  const std::shared_ptr<const Code> decoded = code(object, section);
  std::vector<KnownEdge> &known = it->second;
  known.resize(decoded->edge_tail.size());
  for (size_t e = 0; e < known.size(); ++e) known[e].tail_bytes = static_cast<uint8_t>(decoded->edge_tail[e]);
  for (const CodeInstruction &entry : decoded->instructions)
    for (uint32_t e = entry.first_edge; e < entry.first_edge + entry.edge_count; ++e)
      known[e].is_call = entry.insn.flow != Instruction::Flow::next;
  return known;
}

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
  if (section.is_merged() || section.pooled) return rest;
  const std::vector<uint64_t> &starts = item_starts(place.object, place.section);
  const auto next = std::upper_bound(starts.begin(), starts.end(), place.item);
  return next == starts.end() ? rest : rest.subspan(0, std::min<size_t>(rest.size(), *next - place.item));
}

}  // namespace suture
