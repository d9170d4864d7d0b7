// A complete x86-64 rt_sigframe that, returned into, puts a thread back exactly where it was: all registers, signal
// mask and vector state. Built on the stack of a thread before it is borrowed, it lets the thread restore itself when
// the tool dies at any instruction. Pure: bytes out.
#pragma once

#include <array>
#include <span>

#include "base/bytes.h"
#include "model/address.h"
#include "process/tracee.h"

namespace suture {

struct SignalFrame {
  RunAddr at;       // of the return address, which leads to `mov $15, %eax; syscall`; 8 modulo 16, as at function entry
  RunAddr scratch;  // kScratchBytes of room for texts that calls point at
  Bytes bytes;      // to be written at `at`
  uint64_t low_limit;  // lowest address that code called with this frame is expected to use
};

inline constexpr uint64_t kRedZoneBytes = 128;  // below the stack pointer, of leaf functions (psABI 3.2.2)
inline constexpr uint64_t kScratchBytes = 256;
// What a called function may use below the frame.
inline constexpr uint64_t kCalleeStackBytes = 16 << 10;

// `registers` as the thread stopped. When it was inside a system call that is to be restarted, the frame resumes at the
// system call instruction itself. `extended` is the NT_X86_XSTATE image.
SignalFrame build_signal_frame(const Registers &registers, uint64_t signal_mask, ByteView extended, RunAddr sigreturn);

// One system call of a chain.
struct ChainedCall {
  uint64_t number = 0;
  std::array<uint64_t, 6> arguments{};
};

// A chain of calls that a thread makes by itself and that ends in `last`, the frame that restores it: between two calls
// it returns into a frame that holds nothing but the registers of the next, all signals blocked. The thread is to start
// with `first_registers` and the signals blocked.
struct CallChain {
  RunAddr at;
  Bytes bytes;  // to be written at `at`; the last frame included
  Registers first_registers{};
};
CallChain build_call_chain(const SignalFrame &last, const Registers &registers, RunAddr syscall_ret, RunAddr sigreturn,
                           std::span<const ChainedCall> calls);
// The processor is asked for its state's layout once, which takes long in a virtual machine: not to be done in a stop.
void prepare_signal_frames();

}  // namespace suture
