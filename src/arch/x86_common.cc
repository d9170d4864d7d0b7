// Zydis gives lengths, fields and categories; everything Suture concludes from them is here. Moving code keeps each
// instruction's meaning by rewriting only its PC-relative field: field' = field + from - to, which must still fit.
#include "arch/x86_common.h"

#include <Zydis/Zydis.h>

#include <algorithm>

#include "base/byte_writer.h"
#include "base/cat.h"

namespace suture::x86 {
namespace {

using Flow = Instruction::Flow;

ZydisMachineMode machine_mode(Mode mode) {
  return mode == Mode::bits64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LONG_COMPAT_32;
}

const ZydisDecoder &decoder_for(Mode mode) {
  static const auto make = [](Mode wanted) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, machine_mode(wanted),
                     wanted == Mode::bits64 ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
    return decoder;
  };
  static const ZydisDecoder decoder64 = make(Mode::bits64);
  static const ZydisDecoder decoder32 = make(Mode::bits32);
  return mode == Mode::bits64 ? decoder64 : decoder32;
}

bool branches_relative(const ZydisDecodedInstruction &insn) {
  return insn.raw.imm[0].size != 0 && insn.raw.imm[0].is_relative;
}

Flow flow_of(const ZydisDecodedInstruction &insn) {
  switch (insn.meta.category) {
    case ZYDIS_CATEGORY_UNCOND_BR:
      return branches_relative(insn) ? Flow::jump : Flow::indirect;
    case ZYDIS_CATEGORY_CALL:
      return branches_relative(insn) ? Flow::call : Flow::indirect_call;
    case ZYDIS_CATEGORY_RET:
      return Flow::ret;
    default:
      break;
  }
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_HLT:
      return Flow::stop;
    default:
      break;
  }
  // Jcc, jrcxz, loop, xbegin: whatever else has a code target may also fall through.
  return branches_relative(insn) ? Flow::branch : Flow::next;
}

bool is_padding(const ZydisDecodedInstruction &insn) {
  // 0f 1f and its neighbours decode as NOP in every operand form; 90 and 66 90 as NOP; f3 90 is PAUSE.
  return insn.mnemonic == ZYDIS_MNEMONIC_NOP || insn.mnemonic == ZYDIS_MNEMONIC_INT3;
}

bool rip_relative(Mode mode, const ZydisDecodedInstruction &insn) {
  return mode == Mode::bits64 && (insn.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 && insn.raw.modrm.mod == 0 &&
         insn.raw.modrm.rm == 5 && insn.raw.disp.size == 32;
}

void fill_fields(Mode mode, const ZydisDecodedInstruction &insn, Instruction &out) {
  if (insn.raw.disp.size != 0) {
    out.disp_offset = insn.raw.disp.offset;
    out.disp_bytes = static_cast<uint8_t>(insn.raw.disp.size / 8);
  }
  size_t used = 0;
  for (const auto &imm : insn.raw.imm) {
    if (imm.size == 0) continue;
    if (imm.is_relative) {
      out.rel_offset = imm.offset;
      out.rel_bytes = static_cast<uint8_t>(imm.size / 8);
      out.rel_value = static_cast<int32_t>(imm.value.s);  // of at most 4 bytes
      continue;
    }
    out.imm_offset[used] = imm.offset;
    out.imm_bytes[used] = static_cast<uint8_t>(imm.size / 8);
    ++used;
  }
  if (rip_relative(mode, insn)) {
    out.rel_offset = insn.raw.disp.offset;
    out.rel_bytes = 4;
    out.rel_value = static_cast<int32_t>(insn.raw.disp.value);
    out.rel_is_memory = true;
  }
}

bool fits_rel32(int64_t value) {
  return value >= INT32_MIN && value <= INT32_MAX;
}

struct Displaced {
  uint64_t at = 0;  // offset in the old code
  Instruction insn;
};

Result<std::vector<Displaced>> displaced_instructions(Mode mode, ByteView code, uint64_t from, uint32_t min_bytes) {
  std::vector<Displaced> out;
  uint64_t covered = 0;
  while (covered < min_bytes) {
    const std::optional<Instruction> insn = decode(mode, code.subspan(static_cast<size_t>(covered)));
    if (!insn) return Error::refused(cat("no whole instruction at ", hex(from + covered)));
    out.push_back({covered, *insn});
    covered += insn->size_bytes;
  }
  return out;
}

// Opcode of the four-byte form of a one-byte-displacement branch; empty for those that have none.
Bytes long_form(uint8_t short_opcode) {
  if (short_opcode == 0xeb) return {0xe9};
  if (short_opcode >= 0x70 && short_opcode <= 0x7f) return {0x0f, static_cast<uint8_t>(short_opcode + 0x10)};
  return {};
}

Status emit_moved(const Displaced &item, ByteView code, uint64_t from, uint64_t to, ByteWriter &out) {
  const Instruction &insn = item.insn;
  const ByteView bytes = code.subspan(static_cast<size_t>(item.at), insn.size_bytes);
  if (insn.rel_bytes == 0) {
    out.append(bytes);
    return {};
  }
  const uint64_t end = from + item.at + insn.size_bytes;
  const uint64_t target = end + static_cast<uint64_t>(insn.rel_value);
  Bytes moved(bytes.begin(), bytes.end());
  size_t field = insn.rel_offset;
  if (insn.rel_bytes == 1) {
    moved = long_form(bytes[insn.rel_offset - 1u]);
    if (moved.empty()) return Error::refused(cat("the short branch at ", hex(from + item.at), " has no long form"));
    field = moved.size();
    moved.resize(field + 4);
  } else if (insn.rel_bytes != 4) {
    return Error::refused(cat("the branch at ", hex(from + item.at), " cannot be moved"));
  }
  const int64_t value = static_cast<int64_t>(target - (to + out.size() + moved.size()));
  if (!fits_rel32(value)) return Error::refused(cat("the instruction at ", hex(from + item.at), " is out of range"));
  store<int32_t>(moved, field, static_cast<int32_t>(value));
  out.append(moved);
  return {};
}

}  // namespace

std::optional<Instruction> decode(Mode mode, ByteView bytes) {
  ZydisDecodedInstruction insn;
  if (bytes.empty() ||
      ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder_for(mode), nullptr, bytes.data(), bytes.size(), &insn)))
    return std::nullopt;
  Instruction out;
  out.size_bytes = insn.length;
  out.flow = flow_of(insn);
  out.padding = is_padding(insn);
  out.endbr = insn.mnemonic == ZYDIS_MNEMONIC_ENDBR64 || insn.mnemonic == ZYDIS_MNEMONIC_ENDBR32;
  out.mnemonic = static_cast<uint16_t>(insn.mnemonic);
  fill_fields(mode, insn, out);
  return out;
}

Result<Bytes> encode_jump(uint64_t from, uint64_t to) {
  const int64_t value = static_cast<int64_t>(to - (from + kJumpBytes));
  if (!fits_rel32(value)) return Error::refused(cat("a jump from ", hex(from), " to ", hex(to), " is out of range"));
  Bytes out = {0xe9, 0, 0, 0, 0};
  store<int32_t>(out, 1, static_cast<int32_t>(value));
  return out;
}

std::optional<uint64_t> decode_jump(ByteView bytes, uint64_t at) {
  if (bytes.size() < kJumpBytes || bytes[0] != 0xe9) return std::nullopt;
  return at + kJumpBytes + static_cast<uint64_t>(int64_t{load<int32_t>(bytes, 1)});
}

FieldCode near_jump() { return {{0xe9, 0, 0, 0, 0}, 1}; }

FieldCode slot_jump() { return {{0xff, 0x25, 0, 0, 0, 0}, 2}; }  // jmp *slot(%rip)

// [endbr64] [bnd] jmp *slot(%rip)
std::optional<uint64_t> plt_slot(ByteView code, uint64_t at) {
  constexpr uint32_t kEndbr64 = 0xfa1e0ff3;
  size_t jump = 0;
  if (code.size() >= 4 && load<uint32_t>(code, 0) == kEndbr64) jump = 4;
  if (jump < code.size() && code[jump] == 0xf2) ++jump;
  if (jump + 6 > code.size() || code[jump] != 0xff || code[jump + 1] != 0x25) return std::nullopt;
  return at + jump + 6 + static_cast<uint64_t>(int64_t{load<int32_t>(code, jump + 2)});
}

void fill_nops(std::span<uint8_t> room) { std::fill(room.begin(), room.end(), uint8_t{0x90}); }

void fill_traps(std::span<uint8_t> room) { std::fill(room.begin(), room.end(), uint8_t{0xcc}); }

// Direct calls are e8 rel32, others ff /2 of two to seven bytes.
bool ends_with_call(ByteView before) {
  const auto back = [&](size_t bytes) { return before[before.size() - bytes]; };
  if (before.size() >= 5 && back(5) == 0xe8) return true;
  constexpr size_t kSizes[] = {2, 3, 4, 6, 7};
  return std::any_of(std::begin(kSizes), std::end(kSizes),
                     [&](size_t bytes) { return bytes <= before.size() && back(bytes) == 0xff && (back(bytes - 1) & 0x38) == 0x10; });
}

bool may_begin_branch(ByteView code) {
  if (code.empty()) return false;
  if (code[0] == 0x0f) return code.size() > 1 && (code[1] & 0xf0) == 0x80;
  return (code[0] & 0xf0) == 0x70 || code[0] == 0xeb || code[0] == 0xe9;
}

Result<Bytes> relocate(Mode mode, ByteView code, uint64_t from, uint64_t to, uint32_t min_bytes) {
  const std::vector<Displaced> items = TRY(displaced_instructions(mode, code, from, min_bytes));
  const uint64_t covered = items.empty() ? 0 : items.back().at + items.back().insn.size_bytes;
  ByteWriter out;
  for (const Displaced &item : items) {
    const Instruction &insn = item.insn;
    const uint64_t target = from + item.at + insn.size_bytes + static_cast<uint64_t>(insn.rel_value);
    // A branch into the moved bytes would land in the middle of what replaced them; so would data read from them.
    if (insn.rel_bytes != 0 && target - from < covered && target != from)
      return Error::refused(cat("the instruction at ", hex(from + item.at), " refers to bytes that are replaced"));
    TRY(emit_moved(item, code, from, to, out));
  }
  const Bytes back = TRY(encode_jump(to + out.size(), from + covered));
  out.append(back);
  return std::move(out).take();
}

std::string disassemble(Mode mode, ByteView bytes, uint64_t at) {
  ZydisDisassembledInstruction insn;
  if (bytes.empty() || ZYAN_FAILED(ZydisDisassembleIntel(machine_mode(mode), at, bytes.data(), bytes.size(), &insn)))
    return bytes.empty() ? "(no bytes)" : cat("(bad ", fmt::format("{:02x}", bytes[0]), ")");
  return cat(insn.text, " (", unsigned{insn.info.length}, ")");
}

}  // namespace suture::x86
