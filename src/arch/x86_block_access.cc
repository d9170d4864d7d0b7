// The compiler's address is a sum of a register that holds the thread pointer (or the start of the image's own block), the
// variable's offset from there, and whatever else indexes it. Only the offset is wrong, and by the same for all: the distance
// of the patch's block, which is not a constant but can be put into a register. So whatever the form, the sum stays the sum.
#include "arch/x86_block_access.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "arch/x86_common.h"
#include "arch/x86_emit.h"

namespace suture::x86 {
namespace {

constexpr uint8_t kNop = 0x90, kJump = 0xe9, kCall = 0xe8;

// lea disp32(%base),%reg. `base` is none that needs a SIB byte.
void append_lea(Bytes &out, uint8_t reg, uint8_t base, int64_t displacement) {
  append(out, {static_cast<uint8_t>(0x48 | (reg >> 3) << 2 | base >> 3), 0x8d, static_cast<uint8_t>(0x80 | (reg & 7) << 3 | (base & 7))});
  (void)append_field(out, displacement);
}

// Leaves the distance in rax.
void call_for_distance(BlockAccess &out, bool keeps_rax) {
  if (keeps_rax) append(out.stub, {0x50});  // push rax
  append(out.stub, {0xe8});
  out.call_field_at = append_field(out.stub);
  out.finds_distance = true;
}

// Leaves it in `into` and everything else as it was.
void find_distance(BlockAccess &out, uint8_t into) {
  call_for_distance(out, into != kRax);
  if (into == kRax) return;
  append(out.stub, {static_cast<uint8_t>(0x48 | into >> 3), 0x89, static_cast<uint8_t>(0xc0 | (into & 7))});  // mov %rax,into
  append(out.stub, {0x58});                                                                                // pop rax
}

void append_back(BlockAccess &out) {
  append(out.stub, {0xe9});
  out.back_field_at = append_field(out.stub);
}

// A jump or call of the stub where the instruction was.
void take_place(BlockAccess &out, size_t insn_bytes, uint8_t opcode) {
  out.instead.assign(insn_bytes, kNop);
  out.instead[0] = opcode;
  out.stub_field_at = 1;
}

class LocalAccess {
 public:
  LocalAccess(ByteView code, uint32_t field_at, EdgeKind kind, int64_t offset) : code_(code), field_at_(field_at), kind_(kind), offset_(offset) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    decoded_ = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &insn_, operands_.data())) && insn_.length >= kJumpBytes;
  }

  std::optional<BlockAccess> run() {
    if (kind_ == EdgeKind::tls_desc_call) return end_of_descriptor();
    if (!decoded_ || offset_ != static_cast<int32_t>(offset_)) return std::nullopt;
    code_ = code_.first(kind_ == EdgeKind::tls_gd_pc32 || kind_ == EdgeKind::tls_ld_pc32 ? code_.size() : insn_.length);
    switch (kind_) {
      case EdgeKind::tls_gd_pc32: return call(8, 16);
      case EdgeKind::tls_ld_pc32: return call(7, code_.size() > 7 && code_[7] == 0xff ? 13 : 12);
      case EdgeKind::tls_ie_pc32: return from_slot();
      case EdgeKind::tls_desc_pc32: return insn_.mnemonic == ZYDIS_MNEMONIC_LEA ? put_into_register() : std::nullopt;
      case EdgeKind::tls_tp_off32:
      case EdgeKind::tls_dtp_off32: return by_offset();
      default: return std::nullopt;
    }
  }

 private:
  static uint8_t number(ZydisRegister reg) {
    return static_cast<uint8_t>(ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg)));
  }
  static bool is_general(ZydisRegister reg) {
    return ZydisRegisterGetClass(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg)) == ZYDIS_REGCLASS_GPR64;
  }
  // Whether the instruction has to do with the register, in whatever way.
  bool uses(uint8_t reg) const {
    const auto is = [&](ZydisRegister one) { return is_general(one) && number(one) == reg; };
    return std::any_of(operands_.begin(), operands_.begin() + insn_.operand_count, [&](const ZydisDecodedOperand &operand) {
      if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER) return is(operand.reg.value);
      return operand.type == ZYDIS_OPERAND_TYPE_MEMORY && (is(operand.mem.base) || is(operand.mem.index));
    });
  }
  // One of the lower eight that may stand in any ModRM byte, with or without REX; rax saves a move.
  std::optional<uint8_t> free_register() const {
    for (const uint8_t candidate : {uint8_t{0}, uint8_t{1}, uint8_t{2}, uint8_t{6}, uint8_t{7}, uint8_t{3}})
      if (!uses(candidate)) return candidate;
    return std::nullopt;
  }
  std::optional<uint8_t> written_register() const {
    if (operands_[0].type != ZYDIS_OPERAND_TYPE_REGISTER || !is_general(operands_[0].reg.value) || operands_[0].size != 64) return std::nullopt;
    const uint8_t reg = number(operands_[0].reg.value);
    return reg == kStackPointer ? std::nullopt : std::optional(reg);
  }

  // lea and the call of __tls_get_addr, as long as the ABI makes them: a call of a stub that returns the address.
  std::optional<BlockAccess> call(size_t call_at, size_t sequence_bytes) const {
    if (code_.size() < sequence_bytes || insn_.mnemonic != ZYDIS_MNEMONIC_LEA || insn_.length != call_at) return std::nullopt;
    BlockAccess out;
    out.instead.assign(sequence_bytes, kNop);
    out.instead[sequence_bytes - kJumpBytes] = kCall;  // the end is where the caller goes on, as before
    out.stub_field_at = static_cast<uint32_t>(sequence_bytes - 4);
    append(out.stub, {0x48, 0x83, 0xec, 0x08, kCall});  // sub $8,%rsp
    out.call_field_at = append_field(out.stub);
    append(out.stub, {0x48, 0x83, 0xc4, 0x08});  // add $8,%rsp
    append_lea(out.stub, kRax, kRax, offset_);
    append(out.stub, {0xc3});
    return out;
  }

  // call *x@tlscall(%rax): the first of the two has left the offset from the thread pointer where this would.
  std::optional<BlockAccess> end_of_descriptor() const {
    if (code_.size() < 2 || code_[0] != 0xff || code_[1] != 0x10) return std::nullopt;
    BlockAccess out;
    out.instead = {0x66, kNop};
    return out;
  }

  // mov or add x@gottpoff(%rip),%reg
  std::optional<BlockAccess> from_slot() const {
    if (insn_.mnemonic == ZYDIS_MNEMONIC_MOV) return put_into_register();
    return insn_.mnemonic == ZYDIS_MNEMONIC_ADD ? add_to_register() : std::nullopt;
  }

  std::optional<BlockAccess> put_into_register() const {
    const auto reg = written_register();
    if (!reg) return std::nullopt;
    BlockAccess out;
    take_place(out, insn_.length, kJump);
    leave_red_zone(out.stub);
    call_for_distance(out, *reg != kRax);
    append_lea(out.stub, *reg, kRax, offset_);
    if (*reg != kRax) append(out.stub, {0x58});  // pop rax
    enter_red_zone(out.stub);
    append_back(out);
    return out;
  }

  std::optional<BlockAccess> add_to_register() const {
    const auto reg = written_register();
    const auto scratch = free_register();
    if (!reg || !scratch) return std::nullopt;
    BlockAccess out = begin(*scratch);
    append_lea(out.stub, *scratch, *scratch, offset_);
    append(out.stub, {static_cast<uint8_t>(0x48 | *reg >> 3), 0x01, static_cast<uint8_t>(0xc0 | *scratch << 3 | (*reg & 7))});  // add scratch,reg
    end(out, *scratch);
    return out;
  }

  // The field is an immediate or a displacement.
  std::optional<BlockAccess> by_offset() {
    if (insn_.raw.disp.size == 32 && insn_.raw.disp.offset == field_at_) return in_memory();
    if (insn_.raw.imm[0].size != 32 || insn_.raw.imm[0].offset != field_at_) return std::nullopt;
    return from_slot();  // mov or add $x@tpoff,%reg: the same again
  }

  std::optional<BlockAccess> in_memory() {
    const auto operand = std::find_if(operands_.begin(), operands_.begin() + insn_.operand_count_visible,
                                      [](const ZydisDecodedOperand &one) { return one.type == ZYDIS_OPERAND_TYPE_MEMORY; });
    if (operand == operands_.begin() + insn_.operand_count_visible || operand->mem.type == ZYDIS_MEMOP_TYPE_VSIB || insn_.address_width != 64 ||
        (insn_.attributes & ZYDIS_ATTRIB_HAS_MODRM) == 0)
      return std::nullopt;
    memory_ = &*operand;
    if (insn_.mnemonic == ZYDIS_MNEMONIC_CALL || insn_.mnemonic == ZYDIS_MNEMONIC_JMP) return go_where_it_says();
    const auto scratch = free_register();
    if (!scratch || uses(kStackPointer)) return std::nullopt;
    BlockAccess out = begin(*scratch);
    add_registers(out.stub, *scratch);
    append_through(out.stub, *scratch);
    out.moved_end = static_cast<uint32_t>(out.stub.size());
    end(out, *scratch);
    return out;
  }

  // A function pointer. r11 is nobody's at a call (psABI 3.2.3), and neither is what is below the stack pointer.
  std::optional<BlockAccess> go_where_it_says() const {
    if (uses(kR11) || number_or_none(memory_->mem.base) == kStackPointer) return std::nullopt;
    BlockAccess out;
    take_place(out, insn_.length, insn_.mnemonic == ZYDIS_MNEMONIC_CALL ? kCall : kJump);
    find_distance(out, kR11);
    add_registers(out.stub, kR11);
    if (memory_->mem.segment == ZYDIS_REGISTER_FS) append(out.stub, {0x64});
    append(out.stub, {0x4d, 0x8b, 0x9b});  // mov offset(%r11),%r11
    (void)append_field(out.stub, offset_);
    append(out.stub, {0x41, 0xff, 0xe3});  // jmp *%r11
    return out;
  }
  static int number_or_none(ZydisRegister reg) { return reg == ZYDIS_REGISTER_NONE ? -1 : number(reg); }

  BlockAccess begin(uint8_t scratch) const {
    BlockAccess out;
    take_place(out, insn_.length, kJump);
    leave_red_zone(out.stub);
    append(out.stub, {static_cast<uint8_t>(0x50 | scratch)});  // push
    find_distance(out, scratch);
    return out;
  }
  static void end(BlockAccess &out, uint8_t scratch) {
    append(out.stub, {static_cast<uint8_t>(0x58 | scratch)});  // pop
    enter_red_zone(out.stub);
    append_back(out);
  }

  // lea (%sum,%reg,scale),%sum for the operand's own registers.
  void add_registers(Bytes &out, uint8_t sum) const {
    const auto add = [&](ZydisRegister reg, uint8_t scale) {
      if (reg == ZYDIS_REGISTER_NONE) return;
      const uint8_t index = number(reg);
      uint8_t shift = 0;
      while ((1 << shift) < scale) ++shift;
      const auto high = static_cast<uint8_t>(sum >> 3);
      append(out, {static_cast<uint8_t>(0x48 | high << 2 | (index >> 3) << 1 | high), 0x8d, static_cast<uint8_t>(0x04 | (sum & 7) << 3),
                   static_cast<uint8_t>(shift << 6 | (index & 7) << 3 | (sum & 7))});
    };
    add(memory_->mem.base, 1);
    add(memory_->mem.index, memory_->mem.scale);
  }

  // The instruction itself, with disp32(%base) for its operand; the segment stays.
  void append_through(Bytes &out, uint8_t base) const {
    Bytes moved(code_.begin(), code_.begin() + insn_.length);
    const bool has_sib = insn_.raw.sib.offset != 0;
    const size_t modrm = insn_.raw.modrm.offset;
    moved[modrm] = static_cast<uint8_t>(0x80 | (moved[modrm] & 0x38) | base);
    const auto field = static_cast<int32_t>(offset_);
    std::memcpy(moved.data() + field_at_, &field, sizeof field);
    clear_extensions(moved);
    if (has_sib) moved.erase(moved.begin() + insn_.raw.sib.offset);
    out.insert(out.end(), moved.begin(), moved.end());
  }
  // The bits that extend base and index, which VEX and EVEX store inverted (SDM volume 2, 2.3.5).
  void clear_extensions(Bytes &insn) const {
    if ((insn_.attributes & ZYDIS_ATTRIB_HAS_REX) != 0) insn[insn_.raw.rex.offset] &= 0xfc;
    if ((insn_.attributes & ZYDIS_ATTRIB_HAS_VEX) != 0 && insn_.raw.vex.size == 3) insn[insn_.raw.vex.offset + 1] |= 0x60;
    if ((insn_.attributes & ZYDIS_ATTRIB_HAS_EVEX) != 0) insn[insn_.raw.evex.offset + 1] |= 0x60;
  }

  ByteView code_;
  uint32_t field_at_;
  EdgeKind kind_;
  int64_t offset_;
  ZydisDecodedInstruction insn_{};
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands_{};
  const ZydisDecodedOperand *memory_ = nullptr;
  bool decoded_ = false;
};

}  // namespace

std::optional<BlockAccess> block_access(ByteView code, uint32_t field_at, EdgeKind access, int64_t offset) {
  return LocalAccess(code, field_at, access, offset).run();
}

}  // namespace suture::x86
