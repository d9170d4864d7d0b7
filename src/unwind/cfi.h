// Call frame information: which rule restores the caller's registers at one PC. Reads one FDE and its CIE from the
// target's memory; untrusted and limited throughout. Knows nothing of where frames are found (frame_table.h) or walked
// (unwinder.h).
#pragma once

#include <optional>

#include "unwind/expression.h"

namespace suture {

struct RegisterRule {
  enum class Kind : uint8_t { same, undefined, offset, value_offset, in_register, expression, value_expression };
  Kind kind = Kind::same;
  int64_t offset = 0;  // from the CFA; or the register's number
  ByteView code;
};

struct UnwindRow {
  bool cfa_is_expression = false;
  uint64_t cfa_register = 0;
  int64_t cfa_offset = 0;
  ByteView cfa_code;
  std::array<RegisterRule, kDwarfRegisters> rules;
};

// An FDE with its CIE, bytes owned.
struct FrameDescription {
  RunRange range;
  bool signal_frame = false;
  uint64_t code_alignment = 1;
  int64_t data_alignment = 1;
  uint64_t return_register = kDwarfPc;
  Bytes initial;       // CIE instructions
  Bytes instructions;  // FDE instructions
};

// Reads the FDE at `at`.
std::optional<FrameDescription> read_frame_description(RunAddr at, const MemoryReader &memory);
// One step of walking a section without an index: the entry at `at`, and where the next one starts.
struct SectionEntry {
  RunAddr next;
  bool is_fde = false;
};
std::optional<SectionEntry> read_section_entry(RunAddr at, const MemoryReader &memory);

// The rules in force at `pc`. The row's views point into `frame`.
std::optional<UnwindRow> find_row(const FrameDescription &frame, RunAddr pc);

}  // namespace suture
