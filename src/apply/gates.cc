#include "apply/gates.h"

#include <algorithm>

#include "base/byte_writer.h"

namespace suture {
namespace {

constexpr size_t kDisplacedOffset = 56;  // of a stub's displaced instructions

// The part of a stub that does not depend on the function. Fields to fill: offsets of 32-bit displacements.
constexpr std::array<uint8_t, kDisplacedOffset> kStub = {
    0x50,                             //  0 push rax
    0x48, 0x8b, 0x05, 0, 0, 0, 0,     //  1 mov rax, [gate_address]
    0x83, 0x38, 0x01,                 //  8 cmp dword [rax], 1
    0x58,                             // 11 pop rax
    0x0f, 0x82, 0,    0, 0, 0,        // 12 jb displaced
    0x0f, 0x84, 0,    0, 0, 0,        // 18 je new
    0x80, 0x3d, 0,    0, 0, 0, 0x00,  // 24 cmp byte [hold_flag], 0
    0x74, 0x05,                       // 31 je 38
    0xe8, 0,    0,    0, 0,           // 33 call hold
    0x50,                             // 38 push rax
    0x48, 0x8b, 0x05, 0, 0, 0, 0,     // 39 mov rax, [gate_address]
    0xf6, 0x00, 0x01,                 // 46 test byte [rax], 1
    0x58,                             // 49 pop rax
    0x0f, 0x85, 0,    0, 0, 0,        // 50 jne new
};                                    // 56 displaced instructions, jump behind the redirect

constexpr std::array<uint8_t, 36> kHold = {
    0x50,                             //  0 push rax
    0x52,                             //  1 push rdx
    0x0f, 0x31,                       //  2 rdtsc
    0x48, 0xc1, 0xe2, 0x20,           //  4 shl rdx, 32
    0x48, 0x09, 0xd0,                 //  8 or rax, rdx
    0x48, 0x8b, 0x15, 0,    0, 0, 0,  // 11 mov rdx, [gate_address]
    0xf6, 0x02, 0x02,                 // 18 test byte [rdx], kGateHold
    0x74, 0x0a,                       // 21 je 33
    0x48, 0x3b, 0x42, 0x08,           // 23 cmp rax, [rdx + 8]: hold_until
    0x73, 0x04,                       // 27 jae 33
    0xf3, 0x90,                       // 29 pause
    0xeb, 0xe1,                       // 31 jmp 2
    0x5a,                             // 33 pop rdx
    0x58,                             // 34 pop rax
    0xc3,                             // 35 ret
};
static_assert(kHoldUntilOffset == kGateOffset + 8);

// Sets the displacement at `field` of an instruction that ends at `end` so that it reaches `target`. Everything is
// within the header page or within range of a checked jump.
bool point(Bytes &code, size_t field, RunAddr code_at, size_t end, RunAddr target) {
  const int64_t value = static_cast<int64_t>(target.value - (code_at.value + end));
  if (value < INT32_MIN || value > INT32_MAX) return false;
  store<int32_t>(code, field, static_cast<int32_t>(value));
  return true;
}

bool fill_stub(Bytes &stub, RunAddr at, RunAddr head, RunAddr hold, RunAddr flag, RunAddr new_code) {
  const RunAddr gate_address = head + kGateAddressOffset;
  return point(stub, 4, at, 8, gate_address) && point(stub, 14, at, 18, at + kDisplacedOffset) &&
         point(stub, 20, at, 24, new_code) && point(stub, 26, at, 31, flag) && point(stub, 34, at, 38, hold) &&
         point(stub, 42, at, 46, gate_address) && point(stub, 52, at, 56, new_code);
}

bool between(uint64_t value, uint64_t low, uint64_t high) {
  return value >= low && value <= high;
}

// Empty when the new side is elsewhere.
Result<Bytes> land(const Arch &arch, const GateRequest &request, RunAddr at) {
  if (request.landing_code.empty()) return Bytes();
  return arch.relocate(request.landing_code, request.site.value, at.value, arch.redirect_bytes);
}

}  // namespace

Result<GateBlock> build_gates(const Arch &arch, RunAddr at, RunAddr head, const std::vector<GateRequest> &requests) {
  GateBlock out;
  ByteWriter block;
  block.zeros(requests.size());  // hold flags
  block.pad_to(16);
  const RunAddr hold = at + block.size();
  Bytes hold_code(kHold.begin(), kHold.end());
  if (!point(hold_code, 14, hold, 18, head + kGateAddressOffset)) return Error::refused("gates are out of range");
  block.append(hold_code);
  out.hold_code = {hold, kHold.size()};
  for (size_t i = 0; i < requests.size(); ++i) {
    block.pad_to(16);
    const GateRequest &request = requests[i];
    const RunAddr stub_at = at + block.size();
    const Result<Bytes> displaced =
        arch.relocate(request.entry_code, request.site.value, stub_at.value + kDisplacedOffset, arch.redirect_bytes);
    const RunAddr displaced_at = stub_at + kDisplacedOffset;
    const RunAddr landing_at = displaced_at + (displaced ? displaced->size() : 0);
    const Result<Bytes> landing = land(arch, request, landing_at);
    if (!displaced || !landing) {
      out.gates.push_back({});
      continue;
    }
    Bytes stub(kStub.begin(), kStub.end());
    if (!fill_stub(stub, stub_at, head, hold, at + i, landing->empty() ? request.new_code : landing_at))
      return Error::refused("gates are out of range");
    block.append(stub);
    block.append(*displaced);
    block.append(*landing);
    out.gates.push_back({{stub_at, kDisplacedOffset + displaced->size()},
                         {displaced_at, displaced->size()},
                         at + i,
                         {landing_at, landing->size()}});
  }
  out.bytes = std::move(block).take();
  return out;
}

std::optional<uint64_t> gate_stack_bytes(const Record &record, RunAddr pc) {
  if (record.hold_code.contains(pc)) {
    const uint64_t offset = pc - record.hold_code.begin;
    const uint64_t pushed = offset == 0 || offset == 35 ? 0 : offset == 1 || offset == 34 ? 8 : 16;
    return pushed + 8;  // and the return address into the stub
  }
  for (const RecordFunction &function : record.functions) {
    if (!function.gate.contains(pc) || function.displaced.contains(pc)) continue;
    const uint64_t offset = pc - function.gate.begin;
    return between(offset, 1, 11) || between(offset, 39, 49) ? 8 : 0;
  }
  return std::nullopt;
}

bool branches_to(const Arch &arch, ByteView code, RunAddr at, RunAddr entry, RunAddr site) {
  for (size_t offset = 0; offset < code.size();) {
    const std::optional<Instruction> insn = arch.decode(code.subspan(offset));
    if (!insn) {
      ++offset;  // data between instructions
      continue;
    }
    const RunAddr end = at + offset + insn->size_bytes;
    const RunAddr target = end + static_cast<uint64_t>(insn->rel_value);
    const bool branch = insn->flow == Instruction::Flow::jump || insn->flow == Instruction::Flow::branch;
    if (branch && (target == entry || target == site)) return true;
    offset += insn->size_bytes;
  }
  return false;
}

}  // namespace suture
