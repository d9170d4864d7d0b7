#include "unwind/expression.h"

#include <vector>

#include "base/byte_reader.h"

namespace suture {
namespace {

constexpr int kMaxSteps = 1000;
constexpr size_t kMaxDepth = 64;

enum Op : uint8_t {
  op_addr = 0x03,
  op_deref = 0x06,
  op_const1u = 0x08,
  op_const1s = 0x09,
  op_const2u = 0x0a,
  op_const2s = 0x0b,
  op_const4u = 0x0c,
  op_const4s = 0x0d,
  op_const8u = 0x0e,
  op_const8s = 0x0f,
  op_constu = 0x10,
  op_consts = 0x11,
  op_dup = 0x12,
  op_drop = 0x13,
  op_over = 0x14,
  op_pick = 0x15,
  op_swap = 0x16,
  op_and = 0x1a,
  op_minus = 0x1c,
  op_mul = 0x1e,
  op_neg = 0x1f,
  op_not = 0x20,
  op_or = 0x21,
  op_plus = 0x22,
  op_plus_uconst = 0x23,
  op_shl = 0x24,
  op_shr = 0x25,
  op_shra = 0x26,
  op_xor = 0x27,
  op_bra = 0x28,
  op_eq = 0x29,
  op_ge = 0x2a,
  op_gt = 0x2b,
  op_le = 0x2c,
  op_lt = 0x2d,
  op_ne = 0x2e,
  op_skip = 0x2f,
  op_lit0 = 0x30,
  op_lit31 = 0x4f,
  op_breg0 = 0x70,
  op_breg31 = 0x8f,
  op_bregx = 0x92,
  op_deref_size = 0x94,
  op_nop = 0x96,
};

class Machine {
 public:
  Machine(ByteView code, const DwarfRegisters &registers, const MemoryReader &memory)
      : reader_(code), registers_(registers), memory_(memory) {}

  std::optional<uint64_t> run(std::optional<uint64_t> initial) {
    if (initial) stack_.push_back(*initial);
    for (int step = 0; !reader_.at_end(); ++step) {
      if (step == kMaxSteps || !execute(reader_.u8()) || !reader_.ok() || stack_.size() > kMaxDepth)
        return std::nullopt;
    }
    if (!reader_.ok() || stack_.empty()) return std::nullopt;
    return stack_.back();
  }

 private:
  bool push(uint64_t value) {
    stack_.push_back(value);
    return true;
  }
  bool pop(uint64_t &out) {
    if (stack_.empty()) return false;
    out = stack_.back();
    stack_.pop_back();
    return true;
  }

  bool execute(uint8_t op) {
    if (op >= op_lit0 && op <= op_lit31) return push(op - uint64_t{op_lit0});
    if (op >= op_breg0 && op <= op_breg31) return push_register(op - uint64_t{op_breg0});
    return constant(op) || arrange(op) || reach(op) || combine(op);
  }

  bool push_register(uint64_t number) {
    const int64_t offset = reader_.sleb();
    if (number >= kDwarfRegisters) return false;
    return push(registers_[number] + static_cast<uint64_t>(offset));
  }

  bool constant(uint8_t op) {
    switch (op) {
      case op_addr:
      case op_const8u:
      case op_const8s:
        return push(reader_.u64());
      case op_const1u:
        return push(reader_.u8());
      case op_const1s:
        return push(static_cast<uint64_t>(int64_t{reader_.i8()}));
      case op_const2u:
        return push(reader_.u16());
      case op_const2s:
        return push(static_cast<uint64_t>(int64_t{reader_.i16()}));
      case op_const4u:
        return push(reader_.u32());
      case op_const4s:
        return push(static_cast<uint64_t>(int64_t{reader_.i32()}));
      case op_constu:
        return push(reader_.uleb());
      case op_consts:
        return push(static_cast<uint64_t>(reader_.sleb()));
      case op_bregx:
        return push_register(reader_.uleb());
      case op_nop:
        return true;
      default:
        return false;
    }
  }

  bool arrange(uint8_t op) {
    uint64_t a = 0;
    switch (op) {
      case op_dup:
        return pick(0);
      case op_over:
        return pick(1);
      case op_pick:
        return pick(reader_.u8());
      case op_drop:
        return pop(a);
      case op_swap:
        if (stack_.size() < 2) return false;
        std::swap(stack_[stack_.size() - 1], stack_[stack_.size() - 2]);
        return true;
      default:
        return false;
    }
  }

  bool pick(size_t depth) {
    if (depth >= stack_.size()) return false;
    return push(stack_[stack_.size() - 1 - depth]);
  }

  bool reach(uint8_t op) {
    uint64_t a = 0;
    switch (op) {
      case op_deref:
        return pop(a) && fetch(a, 8);
      case op_deref_size: {
        const uint8_t size = reader_.u8();
        return pop(a) && fetch(a, size);
      }
      case op_skip:
        return jump(reader_.i16());
      case op_bra: {
        const int16_t distance = reader_.i16();
        return pop(a) && (a == 0 || jump(distance));
      }
      case op_plus_uconst: {
        const uint64_t addend = reader_.uleb();
        return pop(a) && push(a + addend);
      }
      case op_neg:
        return pop(a) && push(~a + 1);
      case op_not:
        return pop(a) && push(~a);
      default:
        return false;
    }
  }

  bool jump(int16_t distance) {
    const int64_t to = static_cast<int64_t>(reader_.offset()) + distance;
    if (to < 0) return false;
    reader_.seek(static_cast<uint64_t>(to));
    return reader_.ok();
  }

  bool fetch(uint64_t at, uint8_t size) {
    uint64_t value = 0;
    if (size == 0 || size > 8) return false;
    if (!memory_(RunAddr(at), {reinterpret_cast<uint8_t *>(&value), size})) return false;
    return push(value);
  }

  bool combine(uint8_t op) {
    uint64_t b = 0;
    uint64_t a = 0;
    if (op < op_and || op > op_ne || !pop(b) || !pop(a)) return false;
    const int64_t sa = static_cast<int64_t>(a);
    const int64_t sb = static_cast<int64_t>(b);
    switch (op) {
      case op_and:
        return push(a & b);
      case op_minus:
        return push(a - b);
      case op_mul:
        return push(a * b);
      case op_or:
        return push(a | b);
      case op_plus:
        return push(a + b);
      case op_shl:
        return push(b < 64 ? a << b : 0);
      case op_shr:
        return push(b < 64 ? a >> b : 0);
      case op_shra:
        return push(static_cast<uint64_t>(sa >> (b < 64 ? b : 63)));
      case op_xor:
        return push(a ^ b);
      case op_eq:
        return push(a == b);
      case op_ne:
        return push(a != b);
      case op_ge:
        return push(sa >= sb);
      case op_gt:
        return push(sa > sb);
      case op_le:
        return push(sa <= sb);
      case op_lt:
        return push(sa < sb);
      default:
        return false;
    }
  }

  ByteReader reader_;
  const DwarfRegisters &registers_;
  const MemoryReader &memory_;
  std::vector<uint64_t> stack_;
};

}  // namespace

std::optional<uint64_t> evaluate_expression(ByteView code, const DwarfRegisters &registers, const MemoryReader &memory,
                                            std::optional<uint64_t> initial) {
  return Machine(code, registers, memory).run(initial);
}

}  // namespace suture
