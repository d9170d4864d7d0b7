#include "unwind/unwinder.h"

#include <gtest/gtest.h>
#include <link.h>
#include <signal.h>
#include <ucontext.h>

#include <cstring>

#include "base/byte_writer.h"

namespace suture {
namespace {

// This program is its own target: memory is read in place, modules come from the loader.
MemoryReader own_memory() {
  return [](RunAddr at, std::span<uint8_t> out) {
    if (at.value < 0x10000) return false;
    std::memcpy(out.data(), reinterpret_cast<const void *>(at.value), out.size());
    return true;
  };
}

FrameTables own_tables() {
  FrameTables out(own_memory());
  dl_iterate_phdr(
      [](dl_phdr_info *info, size_t, void *data) {
        UnwindSource source;
        uint64_t low = UINT64_MAX;
        uint64_t high = 0;
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr) &header = info->dlpi_phdr[i];
          const uint64_t at = info->dlpi_addr + header.p_vaddr;
          if (header.p_type == PT_LOAD)
            low = std::min<uint64_t>(low, at), high = std::max<uint64_t>(high, at + header.p_memsz);
          if (header.p_type == PT_GNU_EH_FRAME) source.index = {RunAddr(at), header.p_memsz};
        }
        source.code = {RunAddr(low), high - low};
        if (source.index.size_bytes != 0) static_cast<FrameTables *>(data)->add(source);
        return 0;
      },
      &out);
  return out;
}

DwarfRegisters from_context(const ucontext_t &context) {
  const greg_t *g = context.uc_mcontext.gregs;
  const auto r = [&](int i) { return static_cast<uint64_t>(g[i]); };
  return {r(REG_RAX), r(REG_RDX), r(REG_RCX), r(REG_RBX), r(REG_RSI), r(REG_RDI), r(REG_RBP), r(REG_RSP), r(REG_R8),
          r(REG_R9),  r(REG_R10), r(REG_R11), r(REG_R12), r(REG_R13), r(REG_R14), r(REG_R15), r(REG_RIP)};
}

Backtrace unwind_here() {
  ucontext_t context;
  getcontext(&context);
  FrameTables tables = own_tables();
  return unwind(tables, from_context(context), own_memory());
}

__attribute__((noinline, noipa)) Backtrace level_two(volatile int *touch) {
  *touch = *touch + 1;
  Backtrace out = unwind_here();
  *touch = *touch + 1;
  return out;
}

bool passes(const Backtrace &trace, RunAddr function, uint64_t at_most) {
  for (const Frame &frame : trace.frames)
    if (frame.pc > function && frame.pc < function + at_most) return true;
  return false;
}

TEST(Unwinder, WalksFromHereToTheBottomOfTheStack) {
  volatile int touched = 0;
  const Backtrace trace = level_two(&touched);
  EXPECT_EQ(trace.end, Backtrace::End::bottom);
  EXPECT_TRUE(passes(trace, RunAddr(reinterpret_cast<uint64_t>(&level_two)), 512));
  EXPECT_GT(trace.frames.size(), 5u);
  for (size_t i = 1; i < trace.frames.size(); ++i) EXPECT_GT(trace.frames[i].cfa, trace.frames[i - 1].cfa);
}

Backtrace from_handler;
void handler(int) {
  from_handler = unwind_here();
}

__attribute__((noinline, noipa)) void raise_here(volatile int *touch) {
  ::raise(SIGUSR1);
  *touch = *touch + 1;
}

TEST(Unwinder, WalksThroughASignalHandlerOnAnAlternateStack) {
  std::vector<uint8_t> room(64 << 10);
  const stack_t alternate{room.data(), 0, room.size()};
  stack_t old{};
  ASSERT_EQ(::sigaltstack(&alternate, &old), 0);
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = handler;
  action.sa_flags = SA_ONSTACK;
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  volatile int touched = 0;
  raise_here(&touched);
  ::sigaction(SIGUSR1, &before, nullptr);
  ::sigaltstack(&old, nullptr);
  EXPECT_EQ(from_handler.end, Backtrace::End::bottom);
  EXPECT_TRUE(passes(from_handler, RunAddr(reinterpret_cast<uint64_t>(&handler)), 256));
  EXPECT_TRUE(passes(from_handler, RunAddr(reinterpret_cast<uint64_t>(&raise_here)), 256));
}

TEST(Unwinder, SaysUnknownInCodeWithoutUnwindInformation) {
  FrameTables tables(own_memory());
  DwarfRegisters registers{};
  registers[kDwarfPc] = 0x123456;
  const Backtrace trace = unwind(tables, registers, own_memory());
  EXPECT_EQ(trace.end, Backtrace::End::unknown);
  EXPECT_EQ(trace.frames.size(), 1u);
}

TEST(Expression, ComputesWhatThePltUses) {
  // DW_OP_breg7 8; breg16 0; lit15; and; lit11; ge; lit3; shl; plus: the CFA of a lazy PLT entry
  const Bytes code = {0x77, 0x08, 0x80, 0x00, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22};
  DwarfRegisters registers{};
  registers[kDwarfSp] = 1000;
  registers[kDwarfPc] = 0x5b;
  EXPECT_EQ(evaluate_expression(code, registers, own_memory(), std::nullopt), 1016u);
  registers[kDwarfPc] = 0x56;
  EXPECT_EQ(evaluate_expression(code, registers, own_memory(), std::nullopt), 1008u);
}

TEST(Expression, EndsOnEndlessLoopsAndEmptyStacks) {
  const DwarfRegisters registers{};
  const Bytes loop = {0x30, 0x2f, 0xfc, 0xff};  // lit0; skip -4
  EXPECT_EQ(evaluate_expression(loop, registers, own_memory(), std::nullopt), std::nullopt);
  EXPECT_EQ(evaluate_expression(Bytes{0x22}, registers, own_memory(), std::nullopt), std::nullopt);
  EXPECT_EQ(evaluate_expression(Bytes{0x31, 0x2f, 0x80, 0x00}, registers, own_memory(), std::nullopt), std::nullopt);
}

// Random bytes as an index and as a section: whatever they say, the answer comes and nothing is read outside.
TEST(FrameTables, SurvivesRandomTables) {
  uint32_t seed = 1;
  for (int round = 0; round < 2000; ++round) {
    Bytes memory(512);
    for (uint8_t &byte : memory) byte = static_cast<uint8_t>((seed = seed * 1664525 + 1013904223) >> 24);
    const Bytes form = {1, 0x1b, 0x03, 0x3b};
    std::copy(form.begin(), form.end(), memory.begin());
    store<uint32_t>(memory, 8, seed % 40);
    const uint64_t base = 0x100000;
    const MemoryReader reader = [&](RunAddr at, std::span<uint8_t> out) {
      if (at.value < base || at.value - base > memory.size() || memory.size() - (at.value - base) < out.size())
        return false;
      std::memcpy(out.data(), memory.data() + (at.value - base), out.size());
      return true;
    };
    FrameTables tables(reader);
    tables.add({{RunAddr(base), 0x1000}, round % 2 ? RunRange{RunAddr(base), 512} : RunRange{}, {RunAddr(base), 512}});
    DwarfRegisters registers{};
    registers[kDwarfPc] = base + seed % 512;
    registers[kDwarfSp] = base + 64;
    EXPECT_LE(unwind(tables, registers, reader).frames.size(), kMaxFrames);
  }
}

}  // namespace
}  // namespace suture
