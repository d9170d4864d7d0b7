// Decoded code of a program's sections, made on demand; and references with their instruction tails taken out.
#pragma once

#include <map>

#include "diff/code.h"
#include "diff/program.h"

namespace suture {

class CodeCache {
 public:
  CodeCache(const Program &program, const Arch &arch) : program_(program), arch_(arch) {}

  const Program &program() const { return program_; }
  const Arch &arch() const { return arch_; }

  const Code &code(uint32_t object, uint32_t section) {
    const auto [it, inserted] = codes_.try_emplace({object, section});
    if (inserted) it->second = decode_code(arch_, program_.object(object).sections[section]);
    return it->second;
  }
  // The reference that edge `index` of a section makes.
  Reference reference(uint32_t object, uint32_t section, uint32_t index) {
    const ObjectSection &from = program_.object(object).sections[section];
    const uint32_t tail = from.kind == ObjectSection::Kind::code ? code(object, section).edge_tail[index] : 0;
    return program_.reference(object, from.edges[index], tail);
  }
  // Whether an edge is that of a call or jump, through a slot or not.
  bool is_call(uint32_t object, uint32_t section, uint32_t edge);
  // Bytes from an item's offset to the next offset of its section that anything in the object refers to; for strings and
  // constants the item's own length.
  ByteView item(const Place &place);

 private:
  const std::vector<uint64_t> &item_starts(uint32_t object, uint32_t section);

  const Program &program_;
  const Arch &arch_;
  std::map<std::pair<uint32_t, uint32_t>, Code> codes_;
  std::map<std::pair<uint32_t, uint32_t>, std::vector<uint64_t>> item_starts_;
};

}  // namespace suture
