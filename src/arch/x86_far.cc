#include "arch/x86_far.h"

#include <algorithm>
#include <cstring>

#include "arch/x86_emit.h"

namespace suture::x86 {
namespace {

// mov slot(%rip),%reg, and lea offset(%reg),%reg where there is one. `reg` has four bits.
FarForm load_address(uint8_t reg, int64_t offset) {
  const auto low = static_cast<uint8_t>(reg & 7), high = static_cast<uint8_t>(reg >> 3);
  FarForm form;
  append(form.code, {static_cast<uint8_t>(0x48 | high << 2), 0x8b, static_cast<uint8_t>(0x05 | low << 3)});
  form.slot_field_at = 3;
  (void)append_field(form.code);
  if (offset == 0) return form;
  append(form.code, {static_cast<uint8_t>(0x48 | high << 2 | high), 0x8d, static_cast<uint8_t>(0x80 | low << 3 | low)});
  if (low == kStackPointer) form.code.push_back(0x24);
  (void)append_field(form.code, offset);
  return form;
}

bool is_legacy_prefix(uint8_t byte) {
  constexpr uint8_t kPrefixes[] = {0x66, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26};
  return std::find(std::begin(kPrefixes), std::end(kPrefixes), byte) != std::end(kPrefixes);
}

// Where REX, VEX or EVEX stands, or the opcode when there is none of them.
size_t after_legacy_prefixes(ByteView insn) {
  size_t at = 0;
  while (at < insn.size() && is_legacy_prefix(insn[at])) ++at;
  return at;
}

// The register operand that VEX and EVEX have beside ModRM; 0 (which is never a candidate) without one.
uint8_t vector_operand(ByteView insn, size_t at) {
  const uint8_t byte = insn[at] == 0xc5 ? insn[at + 1] : insn[at] == 0xc4 || insn[at] == 0x62 ? insn[at + 2] : uint8_t{0xff};
  return static_cast<uint8_t>(~byte >> 3 & 7);
}

// The base register is one of the lower eight: the bit that extends it must say so.
void clear_base_extension(Bytes &insn, size_t at) {
  if ((insn[at] & 0xf0) == 0x40) insn[at] &= 0xfe;
  if (insn[at] == 0xc4 || insn[at] == 0x62) insn[at + 1] |= 0x20;  // stored inverted
}

bool moves_the_stack(uint8_t opcode, uint8_t digit, bool extended) {
  if (opcode == 0xff) return digit >= 2;  // call, jmp, push
  if (opcode == 0x8f) return true;        // pop
  return digit == kStackPointer && !extended && (opcode == 0x8b || opcode == 0x8d || opcode == 0x03 || opcode == 0x2b || opcode == 0x63);
}

// Any other: the same instruction with a register for its base, saved below the red zone. None of the added instructions touches a flag.
std::optional<FarForm> through_register(ByteView insn, uint32_t field_at, int64_t offset) {
  const size_t prefix = after_legacy_prefixes(insn);
  if (prefix + 3 > field_at + 1 || field_at < 2) return std::nullopt;
  const uint8_t digit = insn[field_at - 1] >> 3 & 7;
  const bool extended = (insn[prefix] & 0xf4) == 0x44;
  if (moves_the_stack(insn[field_at - 2], digit, extended)) return std::nullopt;
  const uint8_t other = vector_operand(insn, prefix);
  uint8_t scratch = 0;
  for (const uint8_t candidate : {uint8_t{6}, uint8_t{7}, uint8_t{3}})  // rsi, rdi, rbx
    if (scratch == 0 && candidate != digit && candidate != other) scratch = candidate;
  FarForm form;
  leave_red_zone(form.code);
  append(form.code, {static_cast<uint8_t>(0x50 | scratch)});   // push
  append(form.code, {0x48, 0x8b, static_cast<uint8_t>(0x05 | scratch << 3)});
  form.slot_field_at = static_cast<uint32_t>(form.code.size());
  (void)append_field(form.code);
  Bytes moved(insn.begin(), insn.end());
  clear_base_extension(moved, prefix);
  moved[field_at - 1] = static_cast<uint8_t>(0x80 | digit << 3 | scratch);
  const auto field = static_cast<int32_t>(offset);
  std::memcpy(moved.data() + field_at, &field, sizeof field);
  form.code.insert(form.code.end(), moved.begin(), moved.end());
  append(form.code, {static_cast<uint8_t>(0x58 | scratch)});              // pop
  enter_red_zone(form.code);
  return form;
}

}  // namespace

std::optional<FarForm> far_form(ByteView insn, uint32_t field_at, int64_t offset) {
  if (insn.size() < kFarJumpBytes || field_at == 0 || field_at + 4 > insn.size() || offset != static_cast<int32_t>(offset)) return std::nullopt;
  const bool extended = field_at == 2 && insn[0] == 0x41;
  if (field_at + 4 == insn.size() && (field_at == 1 || extended) && (insn[field_at - 1] & 0xf8) == 0xb8)  // mov $variable,%r32
    return load_address(static_cast<uint8_t>((insn[field_at - 1] & 7) | (extended ? 8 : 0)), offset);
  if ((insn[field_at - 1] & 0xc7) != 0x05) return std::nullopt;
  if (field_at == 3 && (insn[0] & 0xf8) == 0x48 && insn[1] == 0x8d) {  // lea variable(%rip),%reg
    FarForm form = load_address(static_cast<uint8_t>((insn[2] >> 3 & 7) | (insn[0] & 4) << 1), offset);
    form.in_place = form.code.size() == insn.size();
    return form;
  }
  return through_register(insn, field_at, offset);
}

}  // namespace suture::x86
