#include "diff/code.h"

#include <algorithm>

namespace suture {

Code decode_code(const Arch &arch, const ObjectSection &section) {
  Code code;
  code.edge_tail.assign(section.edges.size(), 0);
  uint64_t at = 0;
  uint32_t edge = 0;
  while (at < section.bytes.size()) {
    const auto insn = arch.decode(ByteView(section.bytes).subspan(at));
    if (!insn || insn->size_bytes == 0) return code;
    CodeInstruction entry{at, *insn, edge, 0};
    while (edge < section.edges.size() && section.edges[edge].offset < entry.end()) {
      code.edge_tail[edge] = static_cast<uint32_t>(entry.end() - section.edges[edge].offset);
      ++entry.edge_count;
      ++edge;
    }
    at = entry.end();
    code.instructions.push_back(entry);
  }
  code.complete = true;
  return code;
}

std::optional<size_t> Code::index_at(uint64_t offset) const {
  const auto it = std::lower_bound(instructions.begin(), instructions.end(), offset,
                                   [](const CodeInstruction &entry, uint64_t value) { return entry.at < value; });
  if (it == instructions.end() || it->at != offset) return std::nullopt;
  return static_cast<size_t>(it - instructions.begin());
}

const CodeInstruction *Code::instruction_with(uint64_t offset) const {
  const auto behind =
      std::upper_bound(instructions.begin(), instructions.end(), offset,
                       [](uint64_t value, const CodeInstruction &entry) { return value < entry.at; });
  if (behind == instructions.begin() || offset >= std::prev(behind)->end()) return nullptr;
  return &*std::prev(behind);
}

}  // namespace suture
