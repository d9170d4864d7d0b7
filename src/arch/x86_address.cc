// Registers that hold the address, or one computed from it, are followed along the fall-through path until it ends.
// Stores to the stack are not followed: what is kept there is within the function, or is loaded again and seen then by
// no one. So "read" says that nothing was seen, not that nothing happens.
#include "arch/x86_address.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <array>
#include <vector>

namespace suture::x86 {
namespace {

constexpr size_t kMostFollowed = 64;  // instructions; compilers use an address soon after they made it

using Operands = std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT>;

class AddressFollower {
 public:
  explicit AddressFollower(Mode mode)
      : machine_(mode == Mode::bits64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LONG_COMPAT_32) {
    ZydisDecoderInit(&decoder_, machine_, mode == Mode::bits64 ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
  }

  AddressUse run(ByteView code, bool from_slot) {
    for (size_t count = 0, at = 0; count < kMostFollowed && at < code.size(); ++count) {
      if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder_, code.data() + at, code.size() - at, &insn_, operands_.data())))
        return AddressUse::read;
      if (count == 0 ? !begin(from_slot) : !step()) return result_;
      at += insn_.length;
    }
    return AddressUse::read;
  }

 private:
  // Both return whether there is more to see.
  bool begin(bool from_slot) {
    // Any other use of memory reads or writes what is at the address.
    const bool loads_slot =
        insn_.mnemonic == ZYDIS_MNEMONIC_MOV && operands_[1].type == ZYDIS_OPERAND_TYPE_MEMORY && from_slot;
    const bool immediate = insn_.mnemonic == ZYDIS_MNEMONIC_MOV && operands_[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    if (insn_.mnemonic != ZYDIS_MNEMONIC_LEA && !loads_slot && !immediate) return false;
    if (operands_[0].type == ZYDIS_OPERAND_TYPE_MEMORY) return is_stack(operands_[0]) ? false : end(AddressUse::kept);
    if (operands_[0].type != ZYDIS_OPERAND_TYPE_REGISTER) return false;
    held_.push_back(whole(operands_[0].reg.value));
    return true;
  }

  bool step() {
    switch (insn_.meta.category) {
      case ZYDIS_CATEGORY_CALL:
        if (goes_through_held()) return false;
        return is_argument_held() ? end(AddressUse::passed) : keep_only_callee_saved();
      case ZYDIS_CATEGORY_UNCOND_BR:
        return is_tail_call() && is_argument_held() ? end(AddressUse::passed) : false;
      case ZYDIS_CATEGORY_RET:
        return holds(ZYDIS_REGISTER_RAX) ? end(AddressUse::kept) : false;
      default:
        break;
    }
    if (stores_held()) return end(AddressUse::kept);
    update();
    return !held_.empty();
  }

  bool end(AddressUse use) {
    result_ = use;
    return false;
  }

  ZydisRegister whole(ZydisRegister reg) const { return ZydisRegisterGetLargestEnclosing(machine_, reg); }
  bool holds(ZydisRegister reg) const { return std::find(held_.begin(), held_.end(), whole(reg)) != held_.end(); }
  static bool is_stack(const ZydisDecodedOperand &operand) {
    return operand.mem.base == ZYDIS_REGISTER_RSP || operand.mem.base == ZYDIS_REGISTER_RBP;
  }
  bool is_argument_held() const {
    constexpr ZydisRegister kArguments[] = {ZYDIS_REGISTER_RDI, ZYDIS_REGISTER_RSI, ZYDIS_REGISTER_RDX,
                                            ZYDIS_REGISTER_RCX, ZYDIS_REGISTER_R8,  ZYDIS_REGISTER_R9};
    return std::any_of(std::begin(kArguments), std::end(kArguments), [&](ZydisRegister reg) { return holds(reg); });
  }
  // An element of the table is called: its register is one that happens to be free.
  bool goes_through_held() const {
    return operands_[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
           (holds(operands_[0].mem.base) || holds(operands_[0].mem.index));
  }
  // A jump whose field is left to a relocation leaves the function; one within it has its distance.
  bool is_tail_call() const {
    return insn_.raw.imm[0].is_relative && insn_.raw.imm[0].size == 32 && insn_.raw.imm[0].value.s == 0;
  }
  bool keep_only_callee_saved() {
    constexpr ZydisRegister kSaved[] = {ZYDIS_REGISTER_RBX, ZYDIS_REGISTER_RBP, ZYDIS_REGISTER_R12,
                                        ZYDIS_REGISTER_R13, ZYDIS_REGISTER_R14, ZYDIS_REGISTER_R15};
    std::erase_if(held_, [&](ZydisRegister reg) {
      return std::find(std::begin(kSaved), std::end(kSaved), reg) == std::end(kSaved);
    });
    return !held_.empty();
  }

  bool is_plain_move() const { return insn_.mnemonic == ZYDIS_MNEMONIC_MOV || insn_.mnemonic == ZYDIS_MNEMONIC_XCHG; }
  bool stores_held() const {
    const bool whole_register = operands_[1].type == ZYDIS_OPERAND_TYPE_REGISTER && holds(operands_[1].reg.value);
    // Two pointers are stored at once by way of a vector register.
    if (insn_.mnemonic == ZYDIS_MNEMONIC_MOVQ || insn_.mnemonic == ZYDIS_MNEMONIC_VMOVQ ||
        insn_.mnemonic == ZYDIS_MNEMONIC_PINSRQ)
      return whole_register;
    return is_plain_move() && operands_[0].type == ZYDIS_OPERAND_TYPE_MEMORY && !is_stack(operands_[0]) &&
           whole_register;
  }

  // A register that is written holds the address where it is copied or computed from one that does.
  void update() {
    if (insn_.operand_count_visible == 0 || operands_[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
        (operands_[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) == 0)
      return;
    const ZydisRegister target = whole(operands_[0].reg.value);
    const ZydisDecodedOperand &source = operands_[1];
    bool derived = false;
    if (insn_.mnemonic == ZYDIS_MNEMONIC_LEA)
      derived = holds(source.mem.base) || holds(source.mem.index);
    else if (insn_.mnemonic == ZYDIS_MNEMONIC_MOV)
      derived = source.type == ZYDIS_OPERAND_TYPE_REGISTER && holds(source.reg.value);
    else if (insn_.mnemonic == ZYDIS_MNEMONIC_ADD || insn_.meta.category == ZYDIS_CATEGORY_CMOV)
      derived = holds(target) || (source.type == ZYDIS_OPERAND_TYPE_REGISTER && holds(source.reg.value));
    std::erase(held_, target);
    if (derived) held_.push_back(target);
  }

  ZydisMachineMode machine_;
  ZydisDecoder decoder_{};
  ZydisDecodedInstruction insn_{};
  Operands operands_{};
  std::vector<ZydisRegister> held_;
  AddressUse result_ = AddressUse::read;
};

}  // namespace

AddressUse address_use(Mode mode, ByteView code, bool from_slot) {
  return AddressFollower(mode).run(code, from_slot);
}

}  // namespace suture::x86
