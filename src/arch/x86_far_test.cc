#include <gtest/gtest.h>

#include "arch/arch.h"

namespace suture {
namespace {

// All instructions of a form, disassembled: the encodings are not compared with themselves.
std::string text_of(const Bytes &insn, uint32_t field_at, int64_t offset) {
  const Arch &arch = *find_arch(ArchId::x86_64);
  const auto form = arch.far_form(insn, field_at, offset);
  if (!form) return "none";
  std::string text = form->in_place ? "in place: " : "";
  for (size_t at = 0; at < form->code.size();) {
    const ByteView rest = ByteView(form->code).subspan(at);
    const auto one = arch.decode(rest);
    if (!one) return text + "bad";
    const std::string line = arch.disassemble(rest, at);
    text += line.substr(0, line.rfind(" (")) + "; ";
    at += one->size_bytes;
  }
  return text;
}

TEST(X86Far, TurnsAnAddressIntoALoadFromTheSlotInPlace) {
  EXPECT_EQ(text_of({0x4c, 0x8d, 0x25, 0, 0, 0, 0}, 3, 0), "in place: mov r12, [0x0000000000000007]; ");
  EXPECT_EQ(text_of({0x4c, 0x8d, 0x25, 0, 0, 0, 0}, 3, 8), "mov r12, [0x0000000000000007]; lea r12, [r12+0x08]; ");
  EXPECT_EQ(text_of({0x41, 0xb9, 0, 0, 0, 0}, 2, 0), "mov r9, [0x0000000000000007]; ");
}

TEST(X86Far, GivesOtherInstructionsARegisterThatTheyDoNotUse) {
  // add %esi,variable+4(%rip); cmpl $7,variable(%rip); vandnps needs two more
  EXPECT_EQ(text_of({0x01, 0x35, 0, 0, 0, 0}, 2, 4),
            "lea rsp, [rsp-0x80]; push rdi; mov rdi, [0x000000000000000D]; add [rdi+0x04], esi; pop rdi; lea rsp, [rsp+0x80]; ");
  EXPECT_NE(text_of({0x83, 0x3d, 0, 0, 0, 0, 0x07}, 2, 0).find("cmp dword ptr [rsi], 0x07"), std::string::npos);
  EXPECT_NE(text_of({0x44, 0x8b, 0x35, 0, 0, 0, 0}, 3, 0).find("mov r14d, [rdi]"), std::string::npos);
  // andn variable(%rip),%rsi,%rdi: both usual candidates are operands
  EXPECT_NE(text_of({0xc4, 0xe2, 0xc8, 0xf2, 0x3d, 0, 0, 0, 0}, 5, 0).find("andn rdi, rsi, [rbx]"), std::string::npos);
}

TEST(X86Far, HasNoFormForWhatMovesTheStackPointer) {
  EXPECT_EQ(text_of({0xff, 0x35, 0, 0, 0, 0}, 2, 0), "none");              // push
  EXPECT_EQ(text_of({0xff, 0x15, 0, 0, 0, 0}, 2, 0), "none");              // call
  EXPECT_EQ(text_of({0x48, 0x8b, 0x25, 0, 0, 0, 0}, 3, 0), "none");        // mov to %rsp
  EXPECT_EQ(text_of({0x8b, 0x05, 0, 0, 0, 0}, 2, int64_t{1} << 40), "none");
}

}  // namespace
}  // namespace suture
