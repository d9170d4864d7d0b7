// DWARF expressions as far as call frame information uses them. Untrusted: steps and stack are limited, and whatever is
// not understood makes the whole expression unknown.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "model/address.h"

namespace suture {

// DWARF register numbers of x86-64: 0 rax, 1 rdx, 2 rcx, 3 rbx, 4 rsi, 5 rdi, 6 rbp, 7 rsp, 8-15 r8-r15, 16 return
// address.
inline constexpr size_t kDwarfRegisters = 17;
inline constexpr size_t kDwarfSp = 7;
inline constexpr size_t kDwarfPc = 16;
using DwarfRegisters = std::array<uint64_t, kDwarfRegisters>;

// Fills the span from the target's memory or returns false.
using MemoryReader = std::function<bool(RunAddr at, std::span<uint8_t> out)>;

std::optional<uint64_t> evaluate_expression(ByteView code, const DwarfRegisters &registers, const MemoryReader &memory,
                                            std::optional<uint64_t> initial);

}  // namespace suture
