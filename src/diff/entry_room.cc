#include "diff/entry_room.h"

#include <algorithm>

namespace suture {

namespace {

constexpr uint32_t kMostRoom = 32;  // no redirect needs more

// Offsets of the pre section that something other than falling through can reach: branch targets inside it, and places
// that tables or cold parts of the same object refer to.
std::vector<uint64_t> entered_offsets(CodeCache &pre, const Place &place) {
  std::vector<uint64_t> offsets;
  const std::shared_ptr<const Code> decoded = pre.code(place.object, place.section);
  const Code &code = *decoded;
  for (const CodeInstruction &entry : code.instructions)
    if (entry.edge_count == 0 && entry.insn.rel_bytes != 0 && !entry.insn.rel_is_memory)
      offsets.push_back(entry.end() + static_cast<uint64_t>(entry.insn.rel_value));
  const ObjectGraph &graph = pre.program().object(place.object);
  for (uint32_t s = 1; s < graph.sections.size(); ++s) {
    const ObjectSection &section = graph.sections[s];
    for (uint32_t e = 0; e < section.edges.size(); ++e) {
      const ObjectSymbol &symbol = graph.symbols[section.edges[e].symbol];
      if (symbol.section != place.section || section.kind == ObjectSection::Kind::unwind) continue;
      int64_t offset = pre.reference(place.object, s, e).offset;
      // A jump table's entries are relative to the table, so what they add includes their own place in it.
      if (section.kind != ObjectSection::Kind::code && is_pc_relative(section.edges[e].kind)) offset -= static_cast<int64_t>(section.edges[e].offset);
      if (offset > 0) offsets.push_back(static_cast<uint64_t>(offset));
      // With several tables in one section the table's start is not known: take both readings.
      const int64_t plain = pre.reference(place.object, s, e).offset;
      if (plain > 0) offsets.push_back(static_cast<uint64_t>(plain));
    }
  }
  for (const uint32_t s : pre.program().symbols_in(place.object, place.section)) offsets.push_back(graph.symbols[s].value);
  return offsets;
}

// Padding behind the function, up to the next one.
uint32_t padding_behind(const Arch &arch, const Image &image, LinkAddr end) {
  const auto next = std::lower_bound(image.unwind.begin(), image.unwind.end(), end,
                                     [](const UnwindRange &entry, LinkAddr at) { return entry.range.begin < at; });
  const uint64_t limit = next == image.unwind.end() ? kMostRoom : std::min<uint64_t>(kMostRoom, next->range.begin - end);
  uint32_t padding = 0;
  while (padding < limit) {
    const auto insn = arch.decode(image.at(end + padding, limit - padding));
    if (!insn || !insn->padding) break;
    padding += insn->size_bytes;
  }
  return padding;
}

}  // namespace

EntryRoom entry_room(CodeCache &pre, const Place &place, const LocatedCode &located, const Image &image, uint64_t entry_offset) {
  const std::shared_ptr<const Code> decoded = pre.code(place.object, place.section);
  const Code &code = *decoded;
  uint64_t site_offset = entry_offset;
  if (const auto first = code.index_at(entry_offset); first && code.instructions[*first].insn.endbr) site_offset = code.instructions[*first].end();
  EntryRoom room;
  room.site = image_address(located.match, located.at, site_offset);
  const LinkAddr end = located.at + located.match.image_bytes;
  LinkAddr limit = end + padding_behind(pre.arch(), image, end);
  for (const uint64_t offset : entered_offsets(pre, place)) {
    if (offset <= site_offset || offset >= pre.program().section(place).size_bytes) continue;
    limit = std::min(limit, image_address(located.match, located.at, offset));
  }
  room.room_bytes = static_cast<uint32_t>(std::min<uint64_t>(kMostRoom, limit > room.site ? limit - room.site : 0));
  return room;
}

}  // namespace suture
