// x86-64: the 64-bit mode of what x86_common offers.
#include "arch/x86_64.h"

#include "arch/x86_common.h"

namespace suture {
namespace {

constexpr x86::Mode kMode = x86::Mode::bits64;

std::optional<Instruction> decode(ByteView bytes) {
  return x86::decode(kMode, bytes);
}
Result<Bytes> relocate(ByteView code, uint64_t from, uint64_t to, uint32_t min_bytes) {
  return x86::relocate(kMode, code, from, to, min_bytes);
}
std::string disassemble(ByteView bytes, uint64_t at) {
  return x86::disassemble(kMode, bytes, at);
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
    .relocate = relocate,
    .disassemble = disassemble,
};

}  // namespace suture
