#include "process/signal_frame.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/byte_writer.h"
#include "process/tracee.h"

namespace suture {
namespace {

TEST(SignalFrame, ResumesAtTheSystemCallThatWasInterrupted) {
  Registers registers{};
  registers.rsp = 0x7ffe00000000;
  registers.rip = 0x401002;
  registers.orig_rax = 7;
  registers.rax = static_cast<uint64_t>(-516);
  const SignalFrame frame = build_signal_frame(registers, 5, Bytes(576), RunAddr(0x400100));
  constexpr size_t kRegisters = 8 + 40;
  EXPECT_EQ(load<uint64_t>(frame.bytes, 0), 0x400100u);
  EXPECT_EQ(load<uint64_t>(frame.bytes, kRegisters + 13 * 8), 7u);         // rax
  EXPECT_EQ(load<uint64_t>(frame.bytes, kRegisters + 16 * 8), 0x401000u);  // rip
  EXPECT_EQ(load<uint64_t>(frame.bytes, 8 + 40 + 256), 5u);                // signal mask
}

TEST(SignalFrame, StaysOutOfTheRedZoneAndIsAlignedAsAtAFunctionEntry) {
  for (uint64_t rsp = 0x7ffe00000000; rsp < 0x7ffe00000000 + 64; ++rsp) {
    Registers registers{};
    registers.rsp = rsp;
    const SignalFrame frame = build_signal_frame(registers, 0, Bytes(2696), RunAddr(0x400100));
    EXPECT_EQ(frame.at.value % 16, 8u);
    EXPECT_LE(frame.scratch.value + kScratchBytes, rsp - 128);
    EXPECT_LE(frame.at.value + frame.bytes.size(), frame.scratch.value);
    const uint64_t image_at = load<uint64_t>(frame.bytes, 8 + 40 + 23 * 8);
    EXPECT_EQ(image_at % 64, 0u);
  }
}

}  // namespace
}  // namespace suture
