// Decoded code of a program's sections, made on demand; and references with their instruction tails taken out. What is known of
// each edge stays; decoded code, which is many times as large as the bytes it was made of, only of the sections looked at last.
#pragma once

#include <array>
#include <map>
#include <memory>

#include "diff/code.h"
#include "diff/program.h"

namespace suture {

class CodeCache {
 public:
  CodeCache(const Program &program, const Arch &arch) : program_(program), arch_(arch) {}

  const Program &program() const { return program_; }
  const Arch &arch() const { return arch_; }

  // Never null.
  std::shared_ptr<const Code> code(uint32_t object, uint32_t section);
  // Of a code section: bytes from the start of an edge's field to the end of the instruction that holds it; 0 when it lies in none.
  uint32_t edge_tail(uint32_t object, uint32_t section, uint32_t edge) { return edges(object, section)[edge].tail_bytes; }
  // The reference that edge `index` of a section makes.
  Reference reference(uint32_t object, uint32_t section, uint32_t index) {
    const ObjectSection &from = program_.object(object).sections[section];
    const uint32_t tail = from.kind == ObjectSection::Kind::code ? edge_tail(object, section, index) : 0;
    return program_.reference(object, from.edges[index], tail);
  }
  // Whether an edge is that of a call or jump, through a slot or not.
  bool is_call(uint32_t object, uint32_t section, uint32_t edge) { return edges(object, section)[edge].is_call; }
  // Bytes from an item's offset to the next offset of its section that anything in the object refers to; for strings and
  // constants the item's own length.
  ByteView item(const Place &place);

 private:
  using Key = std::pair<uint32_t, uint32_t>;  // object, section
  struct KnownEdge {
    uint8_t tail_bytes = 0;  // an instruction has at most 15
    bool is_call = false;
  };
  struct Decoded {
    Key key;
    std::shared_ptr<const Code> code;
  };
  static constexpr size_t kDecodedSections = 32;

  const std::vector<KnownEdge> &edges(uint32_t object, uint32_t section);
  const std::vector<uint64_t> &item_starts(uint32_t object, uint32_t section);

  const Program &program_;
  const Arch &arch_;
  std::array<Decoded, kDecodedSections> decoded_;
  size_t next_ = 0;  // of decoded_, to be replaced
  std::map<Key, std::vector<KnownEdge>> edges_;
  std::map<Key, std::vector<uint64_t>> item_starts_;
};

}  // namespace suture
