#include "process/signal_frame.h"

#include <cpuid.h>

#include <algorithm>

#include "base/byte_writer.h"
#include "process/interrupted_call.h"

namespace suture {
namespace {

// From the kernel's uapi asm/sigcontext.h and asm/ucontext.h.
constexpr uint64_t kFlagXstate = 1;           // UC_FP_XSTATE
constexpr uint64_t kFlagSegmentSs = 2;        // UC_SIGCONTEXT_SS
constexpr uint64_t kFlagStrictRestoreSs = 4;  // UC_STRICT_RESTORE_SS
constexpr uint32_t kMagic1 = 0x46505853;
constexpr uint32_t kMagic2 = 0x46505845;
constexpr size_t kLegacyBytes = 512;
constexpr size_t kLegacyAndHeaderBytes = 576;
constexpr size_t kSoftwareFieldOffset = 464;
constexpr uint64_t kTileData = uint64_t{1} << 18;  // enlarges the state of only those tasks that asked for it
constexpr uint64_t kUcontextBytes = 8 + 8 + 24 + 256 + 8;
constexpr uint32_t kInvalidAltStackMode = 3;
constexpr uint64_t kSyscallInsnBytes = 2;

// Bytes of the standard-format image up to the end of a feature's part; 0 for what is no user state. CPUID takes tens of
// microseconds in a virtual machine.
size_t end_of_feature(unsigned feature) {
  unsigned size = 0;
  unsigned offset = 0;
  unsigned flags = 0;
  unsigned unused = 0;
  __cpuid_count(0xd, feature, size, offset, flags, unused);
  return (flags & 1) == 0 && size != 0 ? size_t{offset} + size : 0;  // bit 0: supervisor state, not here
}

// The states that this processor and kernel save (XCR0), which ptrace says too.
uint64_t enabled_features() {
  constexpr unsigned kOsxsave = 1u << 27;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  __cpuid(1, eax, ebx, ecx, edx);
  if ((ecx & kOsxsave) == 0) return 0;
  __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
  return uint64_t{edx} << 32 | eax;
}

// Bytes of the image without the state of tiles, which is larger than all the rest and comes behind it.
size_t bytes_without_tiles() {
  static const size_t bytes = [] {
    const uint64_t features = enabled_features();
    size_t out = kLegacyAndHeaderBytes;
    if ((features & kTileData) == 0) return out;  // never asked for
    for (unsigned feature = 2; feature < 63; ++feature)
      if ((features & ~kTileData) >> feature & 1) out = std::max(out, end_of_feature(feature));
    return out;
  }();
  return bytes;
}

// Bytes of the image that a signal frame of the task has: ptrace gives tiles room also for tasks that never asked for
// them.
size_t image_bytes(uint64_t enabled, uint64_t features, size_t given_bytes) {
  const bool tiles_in_vain = (enabled & kTileData) != 0 && (features & kTileData) == 0;
  return tiles_in_vain ? std::min(bytes_without_tiles(), given_bytes) : given_bytes;
}

// The image as a signal frame holds it: cut to the size the kernel expects of the task, marked with its magic words.
Bytes frame_image(ByteView extended) {
  Bytes out(extended.begin(), extended.end());
  if (out.size() < kLegacyAndHeaderBytes) {
    out.resize(kLegacyBytes);
    return out;
  }
  const uint64_t enabled = load<uint64_t>(extended, kSoftwareFieldOffset);  // ptrace puts XCR0 there
  const uint64_t present = load<uint64_t>(extended, kLegacyBytes);
  const uint64_t features = (enabled & ~kTileData) | (present & kTileData);
  const size_t size = image_bytes(enabled, features, extended.size());
  out.resize(size);
  std::fill(out.begin() + kSoftwareFieldOffset, out.begin() + kLegacyBytes, uint8_t{0});
  store<uint32_t>(out, kSoftwareFieldOffset, kMagic1);
  store<uint32_t>(out, kSoftwareFieldOffset + 4, static_cast<uint32_t>(size + 4));
  store<uint64_t>(out, kSoftwareFieldOffset + 8, features);
  store<uint32_t>(out, kSoftwareFieldOffset + 16, static_cast<uint32_t>(size));
  out.resize(size + 4);
  store<uint32_t>(out, size, kMagic2);
  return out;
}

void write_registers(const Registers &r, uint64_t image_at, ByteWriter &out) {
  const bool restart = restarts_call(r);
  const uint64_t rax = restart ? r.orig_rax : r.rax;
  const uint64_t rip = restart ? r.rip - kSyscallInsnBytes : r.rip;
  for (const unsigned long long value :
       {r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx, r.rdx})
    out.u64(value);
  out.u64(rax);
  out.u64(r.rcx);
  out.u64(r.rsp);
  out.u64(rip);
  out.u64(r.eflags);
  out.u16(static_cast<uint16_t>(r.cs));
  out.u16(0);  // gs and fs selectors: the kernel leaves them alone
  out.u16(0);
  out.u16(static_cast<uint16_t>(r.ss));
  out.zeros(4 * 8);  // err, trapno, oldmask, cr2: not restored
  out.u64(image_at);
  out.zeros(8 * 8);
}

// The frame's head up to the registers.
void write_head(uint64_t flags, RunAddr sigreturn, ByteWriter &out) {
  out.u64(sigreturn.value);
  out.u64(flags | kFlagSegmentSs | kFlagStrictRestoreSs);
  out.u64(0);  // uc_link
  // rt_sigreturn also sets the alternate stack; a mode that does not exist is rejected and ignored, which keeps it.
  out.u64(0);
  out.u32(kInvalidAltStackMode);
  out.u32(0);
  out.u64(0);
}

constexpr uint64_t kFrameBytes = 8 + kUcontextBytes;  // with the return address, without vector state
static_assert(kFrameBytes <= 320);
constexpr uint64_t kFrameStride = 320;  // keeps `at` at 8 modulo 16
constexpr uint64_t kAllBlocked = ~uint64_t{0};

Registers with_call(const Registers &registers, const ChainedCall &call, RunAddr syscall_ret, RunAddr stack) {
  Registers out = registers;
  out.rip = syscall_ret.value;
  out.rsp = stack.value;
  out.rax = call.number;
  out.orig_rax = static_cast<unsigned long long>(int64_t{-1});  // not in a call: nothing to restart
  out.rdi = call.arguments[0];
  out.rsi = call.arguments[1];
  out.rdx = call.arguments[2];
  out.r10 = call.arguments[3];
  out.r8 = call.arguments[4];
  out.r9 = call.arguments[5];
  return out;
}

}  // namespace

void prepare_signal_frames() {
  (void)bytes_without_tiles();
}

CallChain build_call_chain(const SignalFrame &last, const Registers &registers, RunAddr syscall_ret, RunAddr sigreturn,
                           std::span<const ChainedCall> calls) {
  CallChain out;
  const uint64_t between = (calls.size() - 1) * kFrameStride;
  out.at = RunAddr(last.at.value - between);
  out.first_registers = with_call(registers, calls[0], syscall_ret, out.at);
  ByteWriter writer;
  for (size_t i = 1; i < calls.size(); ++i) {
    // Without vector state the kernel clears it; the last frame brings it back.
    write_head(0, sigreturn, writer);
    write_registers(with_call(registers, calls[i], syscall_ret, out.at + i * kFrameStride), 0, writer);
    writer.u64(kAllBlocked);
    writer.zeros(i * kFrameStride - writer.size());
  }
  writer.append(last.bytes);
  out.bytes = std::move(writer).take();
  return out;
}

SignalFrame build_signal_frame(const Registers &registers, uint64_t signal_mask, ByteView extended, RunAddr sigreturn) {
  const Bytes image = frame_image(extended);
  SignalFrame out;
  out.scratch = RunAddr((registers.rsp - kRedZoneBytes - kScratchBytes) & ~uint64_t{63});
  const uint64_t image_at = (out.scratch.value - image.size()) & ~uint64_t{63};
  // At the first instruction of rt_sigreturn's stub the return address is popped: the kernel looks for it 8 below rsp.
  out.at = RunAddr(((image_at - kUcontextBytes - 8 - 8) & ~uint64_t{15}) + 8 - 16);
  out.low_limit = out.at.value - kCalleeStackBytes;

  ByteWriter writer;
  write_head(image.size() > kLegacyBytes ? kFlagXstate : 0, sigreturn, writer);
  write_registers(registers, image_at, writer);
  writer.u64(signal_mask);
  writer.zeros(image_at - out.at.value - writer.size());
  writer.append(image);
  out.bytes = std::move(writer).take();
  return out;
}

}  // namespace suture
