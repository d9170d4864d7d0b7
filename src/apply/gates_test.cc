#include "apply/gates.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include <cstring>

namespace suture {
namespace {

const Arch &arch() {
  return *find_arch(ArchId::x86_64);
}

// A page with, in our own address space: a RecordHead, a gate block, an old and a new function, so that gates can be
// run.
class GatePage {
 public:
  GatePage() {
    page_ = static_cast<uint8_t *>(
        ::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    head().gate_address = address() + kGateOffset;
    put(kOld, {0xb8, 1, 0, 0, 0, 0xc3});  // mov eax, 1; ret
    put(kNew, {0xb8, 2, 0, 0, 0, 0xc3});
    GateRequest request{RunAddr(address() + kOld), Bytes(page_ + kOld, page_ + kOld + 32), RunAddr(address() + kNew)};
    const Result<GateBlock> block = build_gates(arch(), RunAddr(address() + kBlock), RunAddr(address()), {request});
    EXPECT_TRUE(block.has_value());
    block_ = *block;
    std::memcpy(page_ + kBlock, block_.bytes.data(), block_.bytes.size());
    page_[block_.gates[0].hold_flag.value - address()] = 1;
  }
  ~GatePage() { ::munmap(page_, kPageBytes); }

  RecordHead &head() { return *reinterpret_cast<RecordHead *>(page_); }
  // The first guest's stack; the list ends behind it.
  void let_through(uint64_t from, uint64_t to) {
    const uint64_t words[] = {from, to, 0, 0};
    std::memcpy(page_ + (block_.hold_code.begin.value - address()) + arch().gate_code().guests_at, words, sizeof words);
  }
  int call() { return reinterpret_cast<int (*)()>(block_.gates[0].stub.begin.value)(); }
  const GateBlock &block() const { return block_; }

 private:
  static constexpr size_t kBlock = 256;
  static constexpr size_t kOld = 2048;
  static constexpr size_t kNew = 3072;
  uint64_t address() const { return reinterpret_cast<uint64_t>(page_); }
  void put(size_t at, const Bytes &code) { std::memcpy(page_ + at, code.data(), code.size()); }
  uint8_t *page_ = nullptr;
  GateBlock block_;
};

TEST(Gates, LeadToTheVersionThatTheWordNames) {
  GatePage page;
  page.head().gate = kGateOld;
  EXPECT_EQ(page.call(), 1);
  page.head().gate = kGateNew;
  EXPECT_EQ(page.call(), 2);
}

TEST(Gates, OpenByThemselvesWhenTheHoldRunsOut) {
  GatePage page;
  for (const uint64_t version : {kGateOld, kGateNew}) {
    page.head().gate = version | kGateHold;
    constexpr uint64_t kTicks = 10000000;
    const uint64_t start = __rdtsc();
    page.head().hold_until = start + kTicks;
    EXPECT_EQ(page.call(), version == kGateNew ? 2 : 1);
    EXPECT_GE(__rdtsc() - start, kTicks);
    EXPECT_EQ(page.call(), version == kGateNew ? 2 : 1);  // and at once from then on
  }
}

TEST(Gates, LetThroughTheCallsOfGuestsAlone) {
  GatePage page;
  page.head().gate = kGateOld | kGateHold;
  constexpr uint64_t kTicks = 10000000, kForEver = uint64_t{1} << 62;
  const uint64_t here = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
  page.head().hold_until = kForEver;
  page.let_through(here - 65536, here);  // where a call from here has its return address
  EXPECT_EQ(page.call(), 1);
  for (const auto &[from, to] : {std::pair{here, here + 65536}, std::pair{here - 131072, here - 65536}, std::pair{uint64_t{0}, uint64_t{0}}}) {
    page.let_through(from, to);
    const uint64_t start = __rdtsc();
    page.head().hold_until = start + kTicks;
    EXPECT_EQ(page.call(), 1);
    EXPECT_GE(__rdtsc() - start, kTicks);
  }
}

TEST(Gates, ReportTheirStackDepthForEveryInstruction) {
  GatePage page;
  Record record;
  record.hold_code = page.block().hold_code;
  RecordFunction function;
  function.gate = page.block().gates[0].stub;
  function.displaced = page.block().gates[0].displaced;
  record.functions.push_back(function);
  EXPECT_EQ(gate_stack_bytes(arch().gate_code(), record, function.gate.begin), 0u);
  EXPECT_EQ(gate_stack_bytes(arch().gate_code(), record, function.gate.begin + 8), 8u);
  EXPECT_EQ(gate_stack_bytes(arch().gate_code(), record, function.gate.begin + 12), 0u);
  EXPECT_EQ(gate_stack_bytes(arch().gate_code(), record, record.hold_code.begin), 8u);
  EXPECT_EQ(gate_stack_bytes(arch().gate_code(), record, record.hold_code.begin + 29), 24u);
  EXPECT_EQ(gate_stack_bytes(arch().gate_code(), record, record.hold_code.begin + 71), 8u);
  EXPECT_FALSE(gate_stack_bytes(arch().gate_code(), record, function.displaced.begin).has_value());
  EXPECT_FALSE(gate_stack_bytes(arch().gate_code(), record, RunAddr(0x1000)).has_value());
}

TEST(Gates, AreLeftOutWhereTheEntryCannotBeMoved) {
  const GateRequest request{RunAddr(0x401000), {0xe3, 0x10, 0x90, 0x90, 0x90, 0x90}, RunAddr(0x402000)};  // jrcxz
  const Result<GateBlock> block = build_gates(arch(), RunAddr(0x403000), RunAddr(0x403000), {request});
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->gates[0].stub.size_bytes, 0u);
}

TEST(BranchesTo, FindsBackEdgesToTheEntry) {
  const Bytes loop = {0x48, 0xff, 0xc7, 0x75, 0xfb, 0xc3};  // 1: inc rdi; jne 1b; ret
  EXPECT_TRUE(branches_to(arch(), loop, RunAddr(0x1000), RunAddr(0x1000), RunAddr(0x1000)));
  EXPECT_FALSE(branches_to(arch(), loop, RunAddr(0x1000), RunAddr(0x0ff0), RunAddr(0x0ff4)));
  const Bytes call_self = {0xe8, 0xfb, 0xff, 0xff, 0xff, 0xc3};  // recursion is no back edge
  EXPECT_FALSE(branches_to(arch(), call_self, RunAddr(0x1000), RunAddr(0x1000), RunAddr(0x1000)));
}

}  // namespace
}  // namespace suture
