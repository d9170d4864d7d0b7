#include "unwind/unwinder.h"

#include <algorithm>
#include <cstring>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "unwind/signal_return.h"

namespace suture {
namespace {

constexpr uint64_t kMaxIndexBytes = uint64_t{128} << 20;
constexpr size_t kMaxSectionEntries = 1 << 16;
constexpr size_t kIndexHeaderBytes = 12;
constexpr size_t kIndexEntryBytes = 8;

// The only index form that linkers write: version 1, pcrel sdata4, udata4, datarel sdata4.
constexpr std::array<uint8_t, 4> kIndexForm = {1, 0x1b, 0x03, 0x3b};

bool is_restorer(RunAddr pc, const MemoryReader &memory) {
  std::array<uint8_t, kLongestSignalReturn> code{};
  return memory(pc, code) && is_signal_return(code);
}

std::optional<uint64_t> find_cfa(const UnwindRow &row, const DwarfRegisters &registers, const MemoryReader &memory) {
  if (row.cfa_is_expression) return evaluate_expression(row.cfa_code, registers, memory, std::nullopt);
  return registers[row.cfa_register] + static_cast<uint64_t>(row.cfa_offset);
}

// The caller's value of one register; nullopt when the rule cannot be followed.
std::optional<uint64_t> apply_rule(const RegisterRule &rule, size_t number, uint64_t cfa, const DwarfRegisters &now,
                                   const MemoryReader &memory) {
  using Kind = RegisterRule::Kind;
  std::optional<uint64_t> at;
  switch (rule.kind) {
    case Kind::same:
      return now[number];
    case Kind::undefined:
      return 0;
    case Kind::offset:
      at = cfa + static_cast<uint64_t>(rule.offset);
      break;
    case Kind::value_offset:
      return cfa + static_cast<uint64_t>(rule.offset);
    case Kind::in_register:
      if (static_cast<uint64_t>(rule.offset) >= kDwarfRegisters) return std::nullopt;
      return now[static_cast<size_t>(rule.offset)];
    case Kind::expression:
      at = evaluate_expression(rule.code, now, memory, cfa);
      break;
    case Kind::value_expression:
      return evaluate_expression(rule.code, now, memory, cfa);
  }
  uint64_t value = 0;
  if (!at || !memory(RunAddr(*at), {reinterpret_cast<uint8_t *>(&value), sizeof value})) return std::nullopt;
  return value;
}

enum class Step { caller, bottom, unknown };

Step step_out(const FrameDescription &description, const UnwindRow &row, DwarfRegisters &registers, uint64_t &cfa,
              const MemoryReader &memory) {
  const std::optional<uint64_t> found = find_cfa(row, registers, memory);
  if (!found) return Step::unknown;
  cfa = *found;
  const RegisterRule &return_rule = row.rules[description.return_register];
  if (return_rule.kind == RegisterRule::Kind::undefined) return Step::bottom;
  DwarfRegisters caller{};
  for (size_t number = 0; number < kDwarfRegisters; ++number) {
    const std::optional<uint64_t> value = apply_rule(row.rules[number], number, cfa, registers, memory);
    if (!value) return Step::unknown;
    caller[number] = *value;
  }
  caller[kDwarfPc] = caller[description.return_register];
  if (row.rules[kDwarfSp].kind == RegisterRule::Kind::same) caller[kDwarfSp] = cfa;
  registers = caller;
  return registers[kDwarfPc] == 0 ? Step::bottom : Step::caller;
}

}  // namespace

void FrameTables::add(const UnwindSource &source) {
  tables_[source.code.begin].source = source;
}

FrameTables::Table *FrameTables::table_for(RunAddr pc) {
  const auto after = tables_.upper_bound(pc);
  if (after == tables_.begin()) return nullptr;
  Table &table = std::prev(after)->second;
  return table.source.code.contains(pc) ? &table : nullptr;
}

void FrameTables::prepare(RunAddr pc) {
  if (Table *table = table_for(pc)) load(*table);
}

void FrameTables::load(Table &table) const {
  if (table.loaded) return;
  table.loaded = true;
  if (table.source.index.size_bytes != 0)
    load_index(table);
  else
    load_section(table);
}

void FrameTables::load_index(Table &table) const {
  const RunRange index = table.source.index;
  if (index.size_bytes < kIndexHeaderBytes || index.size_bytes > kMaxIndexBytes) return;
  Bytes bytes(static_cast<size_t>(index.size_bytes));
  if (!memory_(index.begin, bytes)) return;
  ByteReader reader(bytes);
  const ByteView form = reader.take(kIndexForm.size());
  if (!std::equal(form.begin(), form.end(), kIndexForm.begin(), kIndexForm.end())) return;
  reader.skip(4);  // where .eh_frame is
  const uint32_t count = reader.u32();
  if (reader.remaining() / kIndexEntryBytes < count) return;
  table.entries.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t begin = reader.i32();
    const int64_t description = reader.i32();
    table.entries.push_back(
        {index.begin + static_cast<uint64_t>(begin), index.begin + static_cast<uint64_t>(description)});
  }
  if (!std::is_sorted(table.entries.begin(), table.entries.end(),
                      [](const IndexEntry &a, const IndexEntry &b) { return a.begin < b.begin; }))
    table.entries.clear();
}

void FrameTables::load_section(Table &table) const {
  RunAddr at = table.source.section.begin;
  while (at < table.source.section.end() && table.entries.size() < kMaxSectionEntries) {
    const std::optional<SectionEntry> entry = read_section_entry(at, memory_);
    if (!entry) break;
    if (entry->is_fde)
      if (const auto description = read_frame_description(at, memory_))
        table.entries.push_back({description->range.begin, at});
    at = entry->next;
  }
  std::sort(table.entries.begin(), table.entries.end(),
            [](const IndexEntry &a, const IndexEntry &b) { return a.begin < b.begin; });
}

std::optional<FrameDescription> FrameTables::find(RunAddr pc) {
  Table *table = table_for(pc);
  if (table == nullptr) return std::nullopt;
  load(*table);
  const auto after = std::upper_bound(table->entries.begin(), table->entries.end(), pc,
                                      [](RunAddr at, const IndexEntry &entry) { return at < entry.begin; });
  if (after == table->entries.begin()) return std::nullopt;
  std::optional<FrameDescription> description = read_frame_description(std::prev(after)->description, memory_);
  if (!description || !description->range.contains(pc)) return std::nullopt;
  return description;
}

Backtrace unwind(FrameTables &tables, DwarfRegisters registers, const MemoryReader &stack) {
  Backtrace out;
  bool exact = true;
  uint64_t last_cfa = 0;
  while (out.frames.size() < kMaxFrames) {
    const RunAddr pc(registers[kDwarfPc]);
    if (!exact && is_restorer(pc, stack)) {
      out.frames.push_back({pc, RunAddr(registers[kDwarfSp]), false});
      if (!enter_interrupted_frame(registers, stack)) return out;
      exact = true;
      last_cfa = 0;  // an alternate stack may lie anywhere
      continue;
    }
    // A return address may be the first byte behind a call that ends its function: look up the call itself.
    const RunAddr lookup = exact ? pc : pc - 1;
    const std::optional<FrameDescription> description = tables.find(lookup);
    const std::optional<UnwindRow> row = description ? find_row(*description, lookup) : std::nullopt;
    if (!row) {
      out.frames.push_back({pc, RunAddr(registers[kDwarfSp]), exact});
      return out;
    }
    uint64_t cfa = 0;
    const Step step = step_out(*description, *row, registers, cfa, stack);
    out.frames.push_back({pc, RunAddr(cfa), exact});
    if (step == Step::bottom) out.end = Backtrace::End::bottom;
    // Callers are at higher addresses; anything else is a broken chain or a loop.
    if (step != Step::caller || cfa <= last_cfa) return out;
    last_cfa = cfa;
    exact = description->signal_frame;
  }
  return out;
}

}  // namespace suture
