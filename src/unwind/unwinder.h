// Walks one thread's stack. Says "unknown" rather than guess: every frame comes from call frame information or from a
// signal frame recognised by the code it returns to. Where tables and memory come from is the caller's business.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "unwind/cfi.h"

namespace suture {

// Code with unwind information: an image with an index (.eh_frame_hdr), or a bare .eh_frame section.
struct UnwindSource {
  RunRange code;
  RunRange index;    // .eh_frame_hdr; size 0: none
  RunRange section;  // .eh_frame, where there is no index; ended by a zero word
};

// Finds frame descriptions by PC. Keeps what it read of indexes, which live in read-only memory.
class FrameTables {
 public:
  explicit FrameTables(MemoryReader memory) : memory_(std::move(memory)) {}
  void add(const UnwindSource &source);
  // Reads the indexes of the sources that cover these addresses now, so that a later find() need not.
  void prepare(RunAddr pc);
  std::optional<FrameDescription> find(RunAddr pc);
  const MemoryReader &memory() const { return memory_; }

 private:
  struct IndexEntry {
    RunAddr begin;
    RunAddr description;
  };
  struct Table {
    UnwindSource source;
    bool loaded = false;
    std::vector<IndexEntry> entries;  // ascending by begin
  };
  Table *table_for(RunAddr pc);
  void load(Table &table) const;
  void load_index(Table &table) const;
  void load_section(Table &table) const;

  MemoryReader memory_;
  std::map<RunAddr, Table> tables_;  // by begin of code
};

struct Frame {
  RunAddr pc;          // where it executes or will continue
  RunAddr cfa;         // value of the stack pointer in the caller behind the return
  bool exact = false;  // pc is an instruction to be executed next rather than a return address
};

struct Backtrace {
  enum class End {
    bottom,   // the outermost frame, marked so by its unwind information or by a zero return address
    unknown,  // code without unwind information, or a broken chain
  };
  std::vector<Frame> frames;  // innermost first
  End end = End::unknown;
};

inline constexpr size_t kMaxFrames = 20000;

// `stack` reads the target's memory as it is now.
Backtrace unwind(FrameTables &tables, DwarfRegisters registers, const MemoryReader &stack);

}  // namespace suture
