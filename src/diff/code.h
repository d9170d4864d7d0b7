// One code section decoded once: its instructions, and which edge lies in which of them. Comparing, matching and linking
// all read code through this.
#pragma once

#include <optional>
#include <vector>

#include "arch/arch.h"
#include "base/result.h"
#include "model/object_graph.h"

namespace suture {

struct CodeInstruction {
  uint64_t at = 0;         // offset in the section
  Instruction insn;
  uint32_t first_edge = 0; // edges [first_edge, first_edge + edge_count) of the section lie in it
  uint32_t edge_count = 0;
  uint64_t end() const { return at + insn.size_bytes; }
};

struct Code {
  std::vector<CodeInstruction> instructions;
  bool complete = false;  // every byte was decoded

  // Bytes from the start of edge `index`'s field to the end of the instruction that holds it; 0 when it lies in none.
  std::vector<uint32_t> edge_tail;
  std::optional<size_t> index_at(uint64_t offset) const;
  // The one that covers the byte; null where none was decoded.
  const CodeInstruction *instruction_with(uint64_t offset) const;
};

Code decode_code(const Arch &arch, const ObjectSection &section);

}  // namespace suture
