// x86-64: the 64-bit mode of what x86_common offers.
#include "arch/x86_64.h"

#include "arch/x86_address.h"
#include "arch/x86_block_access.h"
#include "arch/x86_common.h"
#include "arch/x86_far.h"
#include "arch/x86_gate.h"
#include "arch/x86_thread_block.h"
#include "arch/x86_tls.h"
#include "arch/x86_value_writer.h"

namespace suture {
namespace {

constexpr x86::Mode kMode = x86::Mode::bits64;

std::optional<Instruction> decode(ByteView bytes) {
  return x86::decode(kMode, bytes);
}
Result<Bytes> relocate(ByteView code, uint64_t from, uint64_t to, uint32_t min_bytes) {
  return x86::relocate(kMode, code, from, to, min_bytes);
}
AddressUse address_use(ByteView code, bool from_slot) {
  return x86::address_use(kMode, code, from_slot);
}
std::string disassemble(ByteView bytes, uint64_t at) {
  return x86::disassemble(kMode, bytes, at);
}

// The linker's own relaxations of GOTPCRELX loads (psABI B.2), in forms that leave the field at the same offset: a call or
// jump gets an address-size prefix, which means nothing there, in the place of the byte it no longer needs.
bool make_direct(std::span<uint8_t> insn) {
  const size_t size = insn.size();
  if (size < 6 || (insn[size - 5] & 0xc7) != 0x05) return false;  // ModRM: disp32(%rip)
  uint8_t &opcode = insn[size - 6];
  uint8_t &modrm = insn[size - 5];
  if (opcode == 0x8b) {
    opcode = 0x8d;
    return true;
  }
  if (size != 6 || opcode != 0xff || (modrm != 0x15 && modrm != 0x25)) return false;
  modrm = modrm == 0x15 ? 0xe8 : 0xe9;
  opcode = 0x67;
  return true;
}

// x86-64 psABI B.2: mov, test and the arithmetic of two operands, all with REX.W, whose register becomes the operand.
Bytes make_immediate(ByteView insn) {
  if (insn.size() != 7 || (insn[0] & 0xfb) != 0x48 || (insn[2] & 0xc7) != 0x05) return {};
  const uint8_t rex = static_cast<uint8_t>(0x48 | (insn[0] >> 2 & 1));  // REX.R becomes REX.B
  const uint8_t reg = insn[2] >> 3 & 7;
  const auto form = [&](uint8_t opcode, uint8_t extension) {
    return Bytes{rex, opcode, static_cast<uint8_t>(0xc0 | extension << 3 | reg), 0, 0, 0, 0};
  };
  if (insn[1] == 0x8b) return form(0xc7, 0);
  if (insn[1] == 0x85) return form(0xf7, 0);
  if ((insn[1] & 0xc7) == 0x03) return form(0x81, insn[1] >> 3);  // add, or, adc, sbb, and, sub, xor, cmp
  return {};
}

}  // namespace

const Arch kArchX86_64 = {
    .id = ArchId::x86_64,
    .name = "x86-64",
    .redirect_bytes = x86::kJumpBytes,
    .function_alignment = 16,
    .decode = decode,
    .encode_jump = x86::encode_jump,
    .decode_jump = x86::decode_jump,
    .near_jump = x86::near_jump,
    .slot_jump = x86::slot_jump,
    .plt_slot = x86::plt_slot,
    .fill_nops = x86::fill_nops,
    .fill_traps = x86::fill_traps,
    .ends_with_call = x86::ends_with_call,
    .may_begin_branch = x86::may_begin_branch,
    .relocate = relocate,
    .make_direct = make_direct,
    .make_immediate = make_immediate,
    .tls_forms = x86::tls_forms,
    .tls_call = x86::tls_call,
    .tls_stub = x86::tls_stub,
    .gate_code = x86::gate_code,
    .thread_block_code = x86::thread_block_code,
    .block_access = x86::block_access,
    .far_form = x86::far_form,
    .address_use = address_use,
    .value_writer = x86_value_writer,
    .disassemble = disassemble,
};

}  // namespace suture
