#include "apply/gates.h"

#include <algorithm>

#include "base/byte_writer.h"

namespace suture {
namespace {

static_assert(kHoldUntilOffset == kGateOffset + 8 && kGateNew == 1 && kGateHold == 2);  // arch.h: GateCode

struct GatePlaces {
  RunAddr word_address{}, displaced{}, new_code{}, hold_flag{}, hold{};
  RunAddr of(GateCode::To to) const {
    using To = GateCode::To;
    switch (to) {
      case To::word_address: return word_address;
      case To::displaced: return displaced;
      case To::new_code: return new_code;
      case To::hold_flag: return hold_flag;
      case To::hold: return hold;
    }
    return {};
  }
};

// Everything is within the header page or within range of a checked jump.
bool fill(GateCode::Part &part, RunAddr at, const GatePlaces &places) {
  for (const GateCode::Field &field : part.fields) {
    const int64_t value = static_cast<int64_t>(places.of(field.to).value - (at.value + field.end));
    if (value < INT32_MIN || value > INT32_MAX) return false;
    store<int32_t>(part.code, field.at, static_cast<int32_t>(value));
  }
  return true;
}

uint64_t pushed_at(const GateCode::Part &part, uint64_t offset) {
  for (const GateCode::Pushed &pushed : part.pushed)
    if (offset >= pushed.first && offset <= pushed.last) return pushed.bytes;
  return 0;
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
  const GateCode code = arch.gate_code();
  const uint64_t displaced_offset = code.stub.code.size();
  const RunAddr hold = at + block.size();
  GateCode::Part holding = code.hold;
  if (!fill(holding, hold, {.word_address = head + kGateAddressOffset})) return Error::refused("gates are out of range");
  block.append(holding.code);
  out.hold_code = {hold, holding.code.size()};
  for (size_t i = 0; i < requests.size(); ++i) {
    block.pad_to(16);
    const GateRequest &request = requests[i];
    const RunAddr stub_at = at + block.size();
    const Result<Bytes> displaced =
        arch.relocate(request.entry_code, request.site.value, stub_at.value + displaced_offset, arch.redirect_bytes);
    const RunAddr displaced_at = stub_at + displaced_offset;
    const RunAddr landing_at = displaced_at + (displaced ? displaced->size() : 0);
    const Result<Bytes> landing = land(arch, request, landing_at);
    if (!displaced || !landing) {
      out.gates.push_back({});
      continue;
    }
    GateCode::Part stub = code.stub;
    if (!fill(stub, stub_at, {head + kGateAddressOffset, displaced_at, landing->empty() ? request.new_code : landing_at, at + i, hold}))
      return Error::refused("gates are out of range");
    block.append(stub.code);
    block.append(*displaced);
    block.append(*landing);
    out.gates.push_back({{stub_at, displaced_offset + displaced->size()},
                         {displaced_at, displaced->size()},
                         at + i,
                         {landing_at, landing->size()}});
  }
  out.bytes = std::move(block).take();
  return out;
}

std::optional<uint64_t> gate_stack_bytes(const GateCode &code, const Record &record, RunAddr pc) {
  if (record.hold_code.contains(pc)) {
    if (record.hold_code.size_bytes != code.hold.code.size()) return std::nullopt;  // another version's, with other instructions
    return pushed_at(code.hold, pc - record.hold_code.begin) + kReturnAddressBytes;  // into the stub
  }
  if (const std::optional<size_t> function = function_of_gate(record, pc)) return pushed_at(code.stub, pc - record.functions[*function].gate.begin);
  return std::nullopt;
}

std::optional<size_t> function_of_gate(const Record &record, RunAddr at) {
  for (size_t i = 0; i < record.functions.size(); ++i)
    if (record.functions[i].gate.contains(at) && !record.functions[i].displaced.contains(at)) return i;
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
