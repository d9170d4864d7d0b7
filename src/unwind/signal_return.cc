#include "unwind/signal_return.h"

#include <algorithm>

namespace suture {
namespace {

// mov $15, %rax; syscall (glibc, musl), and the same with %eax.
constexpr std::array<uint8_t, kLongestSignalReturn> kLong = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
constexpr std::array<uint8_t, 7> kShort = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};

}  // namespace

std::array<ByteView, 2> signal_return_forms() { return {ByteView(kLong), ByteView(kShort)}; }

bool is_signal_return(ByteView code) {
  const auto starts_with = [&](ByteView form) { return code.size() >= form.size() && std::equal(form.begin(), form.end(), code.begin()); };
  return starts_with(kLong) || starts_with(kShort);
}

// The stack pointer is at the ucontext: 40 bytes, then r8-r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip (the kernel's uapi
// asm/ucontext.h and asm/sigcontext.h).
bool enter_interrupted_frame(DwarfRegisters &registers, const MemoryReader &memory) {
  constexpr uint64_t kRegistersOffset = 40;
  std::array<uint64_t, 17> saved{};
  if (!memory(RunAddr(registers[kDwarfSp] + kRegistersOffset),
              {reinterpret_cast<uint8_t *>(saved.data()), sizeof saved}))
    return false;
  constexpr std::array<size_t, 17> kOrder = {8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, kDwarfSp, kDwarfPc};
  for (size_t i = 0; i < saved.size(); ++i) registers[kOrder[i]] = saved[i];
  return true;
}

}  // namespace suture
