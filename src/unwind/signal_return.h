// What a signal handler returns to, and what the kernel left on the stack for it: Linux on x86-64. One of the small files in which a
// system and an instruction set meet.
#pragma once

#include <array>
#include <span>

#include "base/bytes.h"
#include "unwind/cfi.h"

namespace suture {

inline constexpr size_t kLongestSignalReturn = 9;
// The code of a signal return: rt_sigreturn, as C libraries, language runtimes and programs without either write it.
std::array<ByteView, 2> signal_return_forms();
bool is_signal_return(ByteView code);

// From the place of the return address into that code: the interrupted stack pointer, and behind it the interrupted PC.
inline constexpr uint64_t kInterruptedSpOffset = 8 + 40 + 15 * 8;

// With the return address popped: the registers become those of the frame that the signal interrupted. False when they cannot be read.
bool enter_interrupted_frame(DwarfRegisters &registers, const MemoryReader &memory);

}  // namespace suture
