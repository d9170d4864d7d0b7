// What the registers of a stopped thread mean: Linux on x86-64. One of the small files in which a system and an instruction set meet.
#pragma once

#include "process/tracee.h"
#include "unwind/cfi.h"

namespace suture {

inline RunAddr program_counter(const Registers &registers) { return RunAddr(registers.rip); }
inline RunAddr stack_pointer(const Registers &registers) { return RunAddr(registers.rsp); }
// Of C libraries: the thread's control block, at the end of its stack where they made the stack.
inline RunAddr thread_pointer(const Registers &registers) { return RunAddr(registers.fs_base); }
// The kernel keeps the number of the call, and -1 elsewhere.
inline bool is_in_system_call(const Registers &registers) { return static_cast<int64_t>(registers.orig_rax) >= 0; }

// By DWARF's numbers (psABI 3.6.2), with the program counter as the return address.
inline DwarfRegisters dwarf_registers(const Registers &r) {
  return {r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip};
}

}  // namespace suture
