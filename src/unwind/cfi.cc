#include "unwind/cfi.h"

#include <vector>

#include "base/byte_reader.h"

namespace suture {
namespace {

constexpr uint32_t kMaxEntryBytes = 1 << 20;
constexpr size_t kMaxRemembered = 32;

// DW_EH_PE pointer encodings.
constexpr uint8_t kEncodingOmit = 0xff;
constexpr uint8_t kFormatMask = 0x0f;
constexpr uint8_t kApplicationMask = 0x70;
constexpr uint8_t kPcRelative = 0x10;

struct Entry {
  RunAddr body;  // behind the length
  RunAddr next;
  uint32_t id = 0;  // 0: a CIE; else distance from the id field back to the CIE
  Bytes bytes;      // behind the id
};

std::optional<Entry> read_entry(RunAddr at, const MemoryReader &memory) {
  uint32_t header[2] = {};
  if (!memory(at, {reinterpret_cast<uint8_t *>(header), sizeof header})) return std::nullopt;
  const uint32_t length = header[0];
  // 0 ends a section; 0xffffffff announces the 64-bit form, which .eh_frame does not use.
  if (length < 4 || length > kMaxEntryBytes) return std::nullopt;
  Entry out;
  out.body = at + 4;
  out.next = at + 4 + length;
  out.id = header[1];
  out.bytes.resize(length - 4);
  if (!out.bytes.empty() && !memory(at + 8, out.bytes)) return std::nullopt;
  return out;
}

// An encoded pointer; nullopt for forms that call frame information of programs does not use.
std::optional<uint64_t> read_pointer(ByteReader &reader, uint8_t encoding, RunAddr section_at) {
  const RunAddr at = section_at + reader.offset();
  uint64_t value = 0;
  switch (encoding & kFormatMask) {
    case 0x00:
    case 0x04:
    case 0x0c:
      value = reader.u64();
      break;
    case 0x01:
      value = reader.uleb();
      break;
    case 0x02:
      value = reader.u16();
      break;
    case 0x03:
      value = reader.u32();
      break;
    case 0x09:
      value = static_cast<uint64_t>(reader.sleb());
      break;
    case 0x0a:
      value = static_cast<uint64_t>(int64_t{reader.i16()});
      break;
    case 0x0b:
      value = static_cast<uint64_t>(int64_t{reader.i32()});
      break;
    default:
      return std::nullopt;
  }
  const uint8_t application = encoding & kApplicationMask;
  if (application != 0 && application != kPcRelative) return std::nullopt;
  if (!reader.ok()) return std::nullopt;
  return application == kPcRelative ? value + at.value : value;
}

struct Cie {
  uint8_t pointer_encoding = 0;
  bool has_augmentation_data = false;
};

std::optional<Cie> read_cie(RunAddr at, const MemoryReader &memory, FrameDescription &out) {
  const std::optional<Entry> entry = read_entry(at, memory);
  if (!entry || entry->id != 0) return std::nullopt;
  ByteReader reader(entry->bytes);
  const uint8_t version = reader.u8();
  const std::string_view augmentation = reader.c_string();
  if (version != 1 && version != 3) return std::nullopt;
  out.code_alignment = reader.uleb();
  out.data_alignment = reader.sleb();
  out.return_register = version == 1 ? reader.u8() : reader.uleb();
  if (!reader.ok() || out.return_register >= kDwarfRegisters) return std::nullopt;
  Cie cie;
  if (!augmentation.empty()) {
    if (augmentation[0] != 'z') return std::nullopt;
    cie.has_augmentation_data = true;
    const uint64_t data_bytes = reader.uleb();
    const size_t data_at = reader.offset();
    for (const char c : augmentation.substr(1)) {
      if (c == 'R') cie.pointer_encoding = reader.u8();
      if (c == 'L') reader.skip(1);
      if (c == 'P') {
        const uint8_t encoding = reader.u8();
        if (encoding != kEncodingOmit && !read_pointer(reader, encoding & kFormatMask, at + 8)) return std::nullopt;
      }
      if (c == 'S') out.signal_frame = true;
    }
    reader.seek(data_at + data_bytes);
  }
  if (!reader.ok()) return std::nullopt;
  const ByteView rest = reader.take(reader.remaining());
  out.initial.assign(rest.begin(), rest.end());
  return cie;
}

// Runs call frame instructions up to a PC.
class RowBuilder {
 public:
  RowBuilder(const FrameDescription &frame, RunAddr pc) : frame_(frame), pc_(pc), at_(frame.range.begin) {}

  std::optional<UnwindRow> build() {
    if (!run(frame_.initial)) return std::nullopt;
    initial_ = row_;
    at_ = frame_.range.begin;
    passed_ = false;
    if (!run(frame_.instructions)) return std::nullopt;
    return row_;
  }

 private:
  bool run(ByteView code) {
    ByteReader reader(code);
    while (!reader.at_end() && !passed_) {
      if (!execute(reader) || !reader.ok()) return false;
    }
    return reader.ok();
  }

  void advance(uint64_t delta) {
    const RunAddr to = at_ + delta * frame_.code_alignment;
    // Rows hold from their location on: stop before the first one behind the PC.
    if (to > pc_) passed_ = true;
    at_ = to;
  }

  // Modulo 2^64, as addresses are: both factors are the table's.
  int64_t scaled(int64_t factored) const {
    return static_cast<int64_t>(static_cast<uint64_t>(factored) * static_cast<uint64_t>(frame_.data_alignment));
  }

  bool set(uint64_t number, RegisterRule rule) {
    if (number < kDwarfRegisters) row_.rules[number] = rule;
    return true;  // vector registers and the like are not followed
  }
  bool set_offset(uint64_t number, int64_t factored, RegisterRule::Kind kind = RegisterRule::Kind::offset) {
    return set(number, {kind, scaled(factored), {}});
  }
  bool restore(uint64_t number) {
    return set(number, number < kDwarfRegisters ? initial_.rules[number] : RegisterRule{});
  }
  bool define_cfa(uint64_t number, int64_t offset) {
    row_.cfa_is_expression = false;
    row_.cfa_register = number;
    row_.cfa_offset = offset;
    return number < kDwarfRegisters;
  }

  bool execute(ByteReader &reader) {
    const uint8_t op = reader.u8();
    const uint8_t low = op & 0x3f;
    switch (op >> 6) {
      case 1:
        return advance(low), true;
      case 2:
        return set_offset(low, static_cast<int64_t>(reader.uleb()));
      case 3:
        return restore(low);
      default:
        return execute_extended(op, reader);
    }
  }

  bool execute_extended(uint8_t op, ByteReader &reader) {
    using Kind = RegisterRule::Kind;
    switch (op) {
      case 0x00:
        return true;  // nop
      case 0x02:
        return advance(reader.u8()), true;
      case 0x03:
        return advance(reader.u16()), true;
      case 0x04:
        return advance(reader.u32()), true;
      case 0x06:
        return restore(reader.uleb());
      case 0x07:
        return set(reader.uleb(), {Kind::undefined, 0, {}});
      case 0x08:
        return set(reader.uleb(), {Kind::same, 0, {}});
      case 0x0a:
        return remember();
      case 0x0b:
        return recall();
      case 0x0d:
        return define_cfa(reader.uleb(), row_.cfa_offset);
      case 0x0e:
        return define_cfa(row_.cfa_register, static_cast<int64_t>(reader.uleb()));
      case 0x13:
        return define_cfa(row_.cfa_register, scaled(reader.sleb()));
      case 0x0f:
        return define_cfa_expression(reader);
      case 0x2e:
        return reader.uleb(), true;  // GNU_args_size
      default:
        return execute_two(op, reader);
    }
  }

  bool execute_two(uint8_t op, ByteReader &reader) {
    using Kind = RegisterRule::Kind;
    const uint64_t number = reader.uleb();
    switch (op) {
      case 0x05:
        return set_offset(number, static_cast<int64_t>(reader.uleb()));
      case 0x09:
        return set(number, {Kind::in_register, static_cast<int64_t>(reader.uleb()), {}});
      case 0x0c:
        return define_cfa(number, static_cast<int64_t>(reader.uleb()));
      case 0x10:
        return set_expression(number, Kind::expression, reader);
      case 0x11:
        return set_offset(number, reader.sleb());
      case 0x12:
        return define_cfa(number, scaled(reader.sleb()));
      case 0x14:
        return set_offset(number, static_cast<int64_t>(reader.uleb()), Kind::value_offset);
      case 0x15:
        return set_offset(number, reader.sleb(), Kind::value_offset);
      case 0x16:
        return set_expression(number, Kind::value_expression, reader);
      case 0x2f:
        return set_offset(number, static_cast<int64_t>(0 - reader.uleb()));  // GNU_negative_offset_extended
      default:
        return false;  // set_loc and what nobody emits
    }
  }

  bool set_expression(uint64_t number, RegisterRule::Kind kind, ByteReader &reader) {
    const ByteView code = reader.take(reader.uleb());
    return reader.ok() && set(number, {kind, 0, code});
  }
  bool define_cfa_expression(ByteReader &reader) {
    row_.cfa_is_expression = true;
    row_.cfa_code = reader.take(reader.uleb());
    return reader.ok();
  }
  bool remember() {
    if (remembered_.size() >= kMaxRemembered) return false;
    remembered_.push_back(row_);
    return true;
  }
  bool recall() {
    if (remembered_.empty()) return false;
    row_ = remembered_.back();
    remembered_.pop_back();
    return true;
  }

  const FrameDescription &frame_;
  RunAddr pc_;
  RunAddr at_;
  bool passed_ = false;
  UnwindRow row_;
  UnwindRow initial_;
  std::vector<UnwindRow> remembered_;
};

}  // namespace

std::optional<FrameDescription> read_frame_description(RunAddr at, const MemoryReader &memory) {
  const std::optional<Entry> entry = read_entry(at, memory);
  if (!entry || entry->id == 0) return std::nullopt;
  FrameDescription out;
  const std::optional<Cie> cie = read_cie(entry->body - entry->id, memory, out);
  if (!cie) return std::nullopt;
  ByteReader reader(entry->bytes);
  const RunAddr fields = entry->body + 4;
  const std::optional<uint64_t> begin = read_pointer(reader, cie->pointer_encoding, fields);
  const std::optional<uint64_t> size = read_pointer(reader, cie->pointer_encoding & kFormatMask, fields);
  if (!begin || !size) return std::nullopt;
  out.range = {RunAddr(*begin), *size};
  if (cie->has_augmentation_data) reader.skip(reader.uleb());
  if (!reader.ok()) return std::nullopt;
  const ByteView rest = reader.take(reader.remaining());
  out.instructions.assign(rest.begin(), rest.end());
  return out;
}

std::optional<SectionEntry> read_section_entry(RunAddr at, const MemoryReader &memory) {
  const std::optional<Entry> entry = read_entry(at, memory);
  if (!entry) return std::nullopt;
  return SectionEntry{entry->next, entry->id != 0};
}

std::optional<UnwindRow> find_row(const FrameDescription &frame, RunAddr pc) {
  if (!frame.range.contains(pc)) return std::nullopt;
  return RowBuilder(frame, pc).build();
}

}  // namespace suture
