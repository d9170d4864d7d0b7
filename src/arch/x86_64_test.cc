#include <gtest/gtest.h>

#include "arch/arch.h"
#include "base/byte_writer.h"

namespace suture {
namespace {

const Arch &arch() {
  return *find_arch(ArchId::x86_64);
}

Instruction one(const Bytes &bytes) {
  const std::optional<Instruction> insn = arch().decode(bytes);
  EXPECT_TRUE(insn.has_value());
  return insn.value_or(Instruction{});
}

TEST(X86Decode, ReportsRipRelativeDisplacementAndTrailingImmediateSeparately) {
  const Instruction insn = one({0x48, 0xc7, 0x05, 0x10, 0, 0, 0, 0x2a, 0, 0, 0});  // mov qword [rip+0x10], 42
  EXPECT_EQ(insn.size_bytes, 11);
  EXPECT_TRUE(insn.rel_is_memory);
  EXPECT_EQ(insn.rel_offset, 3);
  EXPECT_EQ(insn.rel_bytes, 4);
  EXPECT_EQ(insn.rel_value, 0x10);
  EXPECT_EQ(insn.disp_offset, 3);
  EXPECT_EQ(insn.disp_bytes, 4);
  EXPECT_EQ(insn.imm_offset[0], 7);
  EXPECT_EQ(insn.imm_bytes[0], 4);
}

TEST(X86Decode, DoesNotTakeAnAbsoluteOrRegisterDisplacementForRelative) {
  EXPECT_EQ(one({0x8b, 0x04, 0x25, 0x10, 0, 0, 0}).rel_bytes, 0);  // mov eax, [0x10] (SIB, no base)
  EXPECT_EQ(one({0x8b, 0x45, 0x10}).rel_bytes, 0);                 // mov eax, [rbp+0x10]
  EXPECT_EQ(one({0x8b, 0x45, 0x10}).disp_bytes, 1);
}

TEST(X86Decode, ClassifiesControlFlow) {
  using Flow = Instruction::Flow;
  EXPECT_EQ(one({0xe9, 0, 0, 0, 0}).flow, Flow::jump);
  EXPECT_EQ(one({0xeb, 0xfe}).flow, Flow::jump);
  EXPECT_EQ(one({0xeb, 0xfe}).rel_value, -2);
  EXPECT_EQ(one({0x0f, 0x84, 0, 0, 0, 0}).flow, Flow::branch);
  EXPECT_EQ(one({0xe3, 0x02}).flow, Flow::branch);  // jrcxz
  EXPECT_EQ(one({0xe8, 0, 0, 0, 0}).flow, Flow::call);
  EXPECT_EQ(one({0xff, 0xd0}).flow, Flow::indirect_call);
  EXPECT_EQ(one({0xff, 0xe0}).flow, Flow::indirect);
  EXPECT_EQ(one({0x3e, 0xff, 0xe0}).flow, Flow::indirect);  // notrack jmp rax
  EXPECT_EQ(one({0xc3}).flow, Flow::ret);
  EXPECT_EQ(one({0xf3, 0xc3}).flow, Flow::ret);
  EXPECT_EQ(one({0x0f, 0x0b}).flow, Flow::stop);
  EXPECT_EQ(one({0xf4}).flow, Flow::stop);
  EXPECT_EQ(one({0x90}).flow, Flow::next);
}

TEST(X86Decode, CallsEveryNopFormPaddingAndNothingElse) {
  const Bytes nops[] = {{0x90},
                        {0xcc},
                        {0x66, 0x90},
                        {0x0f, 0x1f, 0x00},
                        {0x0f, 0x1f, 0x40, 0x00},
                        {0x0f, 0x1f, 0x44, 0x00, 0x00},
                        {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
                        {0x0f, 0x1f, 0x80, 0, 0, 0, 0},
                        {0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0},
                        {0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}};
  for (const Bytes &nop : nops) {
    EXPECT_TRUE(one(nop).padding) << to_integer<int>(std::byte{nop[0]}) << " size " << nop.size();
    EXPECT_EQ(one(nop).size_bytes, nop.size());
  }
  EXPECT_FALSE(one({0x48, 0x8d, 0x76, 0x00}).padding);  // lea rsi, [rsi+0]
  EXPECT_FALSE(one({0xf3, 0x90}).padding);              // pause
  EXPECT_FALSE(one({0xf3, 0x0f, 0x1e, 0xfa}).padding);  // endbr64
  EXPECT_TRUE(one({0xf3, 0x0f, 0x1e, 0xfa}).endbr);
}

TEST(X86Decode, RefusesTruncatedAndInvalidBytes) {
  EXPECT_FALSE(arch().decode(Bytes{}).has_value());
  EXPECT_FALSE(arch().decode(Bytes{0xe9, 0, 0}).has_value());
  EXPECT_FALSE(arch().decode(Bytes{0x06}).has_value());  // push es: not in 64-bit mode
}

TEST(X86Jump, RoundTripsAtTheEndsOfItsRangeAndRefusesBeyond) {
  const uint64_t from = 0x7f0000000000;
  for (const int64_t distance : {int64_t{0}, int64_t{INT32_MAX}, int64_t{INT32_MIN}}) {
    const uint64_t to = from + 5 + static_cast<uint64_t>(distance);
    const Result<Bytes> jump = arch().encode_jump(from, to);
    ASSERT_TRUE(jump.has_value());
    EXPECT_EQ(arch().decode_jump(*jump, from), to);
  }
  EXPECT_FALSE(arch().encode_jump(from, from + 5 + 0x80000000).has_value());
  EXPECT_FALSE(arch().encode_jump(from, from + 5 - 0x80000001).has_value());
}

TEST(X86Relocate, KeepsTargetsOfMovedInstructions) {
  const uint64_t from = 0x401000;
  const uint64_t to = 0x501000;
  // jne +0x20; mov eax, [rip+0x100]
  const Bytes code = {0x75, 0x20, 0x8b, 0x05, 0x00, 0x01, 0, 0};
  const Result<Bytes> moved = arch().relocate(code, from, to, 5);
  ASSERT_TRUE(moved.has_value()) << moved.error().text();
  const Instruction branch = one(*moved);
  EXPECT_EQ(branch.flow, Instruction::Flow::branch);
  EXPECT_EQ(to + branch.size_bytes + static_cast<uint64_t>(branch.rel_value), from + 2 + 0x20);
  const Bytes rest(moved->begin() + branch.size_bytes, moved->end());
  const Instruction loads = one(rest);
  EXPECT_EQ(to + 6 + loads.size_bytes + static_cast<uint64_t>(loads.rel_value), from + 8 + 0x100);
  const Bytes tail(rest.begin() + loads.size_bytes, rest.end());
  EXPECT_EQ(arch().decode_jump(tail, to + 12), from + 8);
}

TEST(X86Relocate, RefusesBranchesWithoutALongFormAndBranchesIntoTheMovedBytes) {
  EXPECT_FALSE(arch().relocate(Bytes{0xe3, 0x20, 0x90, 0x90, 0x90}, 0x1000, 0x2000, 5).has_value());  // jrcxz
  EXPECT_FALSE(arch().relocate(Bytes{0xe2, 0x20, 0x90, 0x90, 0x90}, 0x1000, 0x2000, 5).has_value());  // loop
  EXPECT_FALSE(arch().relocate(Bytes{0x75, 0x01, 0x90, 0x90, 0x90}, 0x1000, 0x2000, 5).has_value());
  EXPECT_FALSE(arch().relocate(Bytes{0x90, 0x90}, 0x1000, 0x2000, 5).has_value());  // ends too early
  EXPECT_FALSE(arch().relocate(Bytes{0xe8, 0, 0, 0, 0}, 0x1000, 0x200000000, 5).has_value());
}

TEST(X86Disassemble, PrintsTextAndSize) {
  EXPECT_EQ(arch().disassemble(Bytes{0xe9, 0xfb, 0x0f, 0, 0}, 0x1000), "jmp 0x0000000000002000 (5)");
}

TEST(X86Relaxing, ALoadThroughASlotBecomesOneOfAnImmediate) {
  EXPECT_EQ(arch().make_immediate(Bytes{0x48, 0x8b, 0x0d, 1, 2, 3, 4}), (Bytes{0x48, 0xc7, 0xc1, 0, 0, 0, 0}));  // mov x@GOTPCREL(%rip),%rcx
  EXPECT_EQ(arch().make_immediate(Bytes{0x4c, 0x8b, 0x0d, 1, 2, 3, 4}), (Bytes{0x49, 0xc7, 0xc1, 0, 0, 0, 0}));  // the same to %r9
  EXPECT_EQ(arch().make_immediate(Bytes{0x48, 0x3b, 0x05, 1, 2, 3, 4}), (Bytes{0x48, 0x81, 0xf8, 0, 0, 0, 0}));  // cmp
  EXPECT_EQ(arch().make_immediate(Bytes{0x4c, 0x85, 0x3d, 1, 2, 3, 4}), (Bytes{0x49, 0xf7, 0xc7, 0, 0, 0, 0}));  // test
}

TEST(X86Relaxing, WhatComparesWithTheSlotOrReadsAnotherPlaceHasNoImmediateForm) {
  EXPECT_TRUE(arch().make_immediate(Bytes{0x48, 0x83, 0x3d, 1, 2, 3, 4, 0}).empty());  // cmpq $0,x@GOTPCREL(%rip)
  EXPECT_TRUE(arch().make_immediate(Bytes{0x48, 0x8b, 0x88, 1, 2, 3, 4}).empty());     // mov 4(%rax),%rcx
  EXPECT_TRUE(arch().make_immediate(Bytes{0x48, 0x89, 0x0d, 1, 2, 3, 4}).empty());     // a store
}

TEST(X86Plt, FindsTheSlotOfEachFormOfStub) {
  const Bytes plain = {0xff, 0x25, 0x10, 0, 0, 0};
  EXPECT_EQ(arch().plt_slot(plain, 0x1000), 0x1016u);
  const Bytes marked = {0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0xf0, 0xff, 0xff, 0xff};  // endbr64; bnd jmp
  EXPECT_EQ(arch().plt_slot(marked, 0x1000), 0x1000u + 11 - 16);
  EXPECT_FALSE(arch().plt_slot(ByteView(marked).first(10), 0x1000));
  const Bytes pushes = {0xff, 0x35, 0x10, 0, 0, 0};  // the first entry
  EXPECT_FALSE(arch().plt_slot(pushes, 0x1000));
}

TEST(X86Calls, AreKnownByTheirLastBytes) {
  EXPECT_TRUE(arch().ends_with_call(Bytes{0x90, 0x90, 0xe8, 1, 2, 3, 4}));
  EXPECT_TRUE(arch().ends_with_call(Bytes{0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xd0}));        // call *%rax
  EXPECT_TRUE(arch().ends_with_call(Bytes{0x90, 0xff, 0x15, 1, 2, 3, 4}));                    // call *slot(%rip)
  EXPECT_FALSE(arch().ends_with_call(Bytes{0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xe0}));       // jmp *%rax
  EXPECT_FALSE(arch().ends_with_call(Bytes{0x90}));
}

TEST(X86Branches, BeginWithOneOrTwoOpcodeBytes) {
  EXPECT_TRUE(arch().may_begin_branch(Bytes{0x74, 0x10}));
  EXPECT_TRUE(arch().may_begin_branch(Bytes{0x0f, 0x84}));
  EXPECT_TRUE(arch().may_begin_branch(Bytes{0xe9}));
  EXPECT_FALSE(arch().may_begin_branch(Bytes{0x0f, 0x1e}));
  EXPECT_FALSE(arch().may_begin_branch(Bytes{0x0f}));
  EXPECT_FALSE(arch().may_begin_branch(Bytes{}));
}

TEST(X86Jumps, HaveTheirFieldWhereItIs) {
  FieldCode jump = arch().near_jump();
  store<int32_t>(jump.code, jump.field_at, 0x20);
  EXPECT_EQ(arch().decode_jump(jump.code, 0x1000), 0x1000u + jump.code.size() + 0x20);
  FieldCode through = arch().slot_jump();
  store<int32_t>(through.code, through.field_at, 0x20);
  EXPECT_EQ(arch().plt_slot(through.code, 0x1000), 0x1000u + through.code.size() + 0x20);
}

}  // namespace
}  // namespace suture
