#include <gtest/gtest.h>

#include "arch/arch.h"

namespace suture {
namespace {

AddressUse use_of(const Bytes &code) {
  return find_arch(ArchId::x86_64)->address_use(code, false);
}

const Bytes kLeaRax = {0x48, 0x8d, 0x05, 0, 0, 0, 0};  // lea table(%rip),%rax
Bytes behind_lea(std::initializer_list<uint8_t> rest) {
  Bytes code = kLeaRax;
  code.insert(code.end(), rest);
  return code;
}

TEST(X86Address, IsReadWhereAnElementIsLoaded) {
  EXPECT_EQ(use_of(behind_lea({0x8b, 0x04, 0xb8, 0xc3})), AddressUse::read);  // mov (%rax,%rdi,4),%eax; ret
}

TEST(X86Address, IsReadWhereTheInstructionItselfLoads) {
  const Bytes load_and_store = {0x48, 0x8b, 0x05, 0,    0,
                                0,    0,    0x48, 0x89, 0x07};  // mov thing(%rip),%rax; mov %rax,(%rdi)
  EXPECT_EQ(use_of(load_and_store), AddressUse::read);
  EXPECT_EQ(find_arch(ArchId::x86_64)->address_use(load_and_store, true), AddressUse::kept);  // of a GOT slot
}

TEST(X86Address, IsKeptWhereItIsStoredOutsideOfTheStack) {
  EXPECT_EQ(use_of(behind_lea({0x48, 0x89, 0x07})), AddressUse::kept);              // mov %rax,(%rdi)
  EXPECT_EQ(use_of(behind_lea({0x48, 0x89, 0x05, 0, 0, 0, 0})), AddressUse::kept);  // mov %rax,held(%rip)
  EXPECT_EQ(use_of({0x48, 0xc7, 0x05, 0, 0, 0, 0, 0, 0, 0, 0}), AddressUse::kept);  // movq $table,held(%rip)
  EXPECT_EQ(use_of(behind_lea({0x66, 0x48, 0x0f, 0x6e, 0xc0})), AddressUse::kept);  // movq %rax,%xmm0
  EXPECT_EQ(use_of(behind_lea({0x48, 0x89, 0x44, 0x24, 0x08, 0x31, 0xc0})),
            AddressUse::read);  // mov %rax,8(%rsp); xor %eax,%eax
}

TEST(X86Address, IsKeptWhereItIsReturned) {
  EXPECT_EQ(use_of(behind_lea({0xc3})), AddressUse::kept);
}

TEST(X86Address, IsPassedWhereACallGetsIt) {
  EXPECT_EQ(use_of(behind_lea({0x48, 0x89, 0xc7, 0xe8, 0, 0, 0, 0})), AddressUse::passed);  // mov %rax,%rdi; call
  EXPECT_EQ(use_of({0xbf, 0, 0, 0, 0, 0xe9, 0, 0, 0, 0}), AddressUse::passed);              // mov $table,%edi; jmp
  EXPECT_EQ(use_of(behind_lea({0xe8, 0, 0, 0, 0, 0x48, 0x89, 0x07})), AddressUse::read);    // call; mov %rax,(%rdi)
}

TEST(X86Address, IsReadWhereAnElementIsCalledOrJumpedTo) {
  const Bytes lea_rdx = {0x48, 0x8d, 0x15, 0, 0, 0, 0};
  Bytes called = lea_rdx, jumped = lea_rdx;
  called.insert(called.end(), {0xff, 0x14, 0xc2});  // call *(%rdx,%rax,8)
  jumped.insert(jumped.end(), {0xff, 0x24, 0xc2});  // jmp *(%rdx,%rax,8)
  EXPECT_EQ(use_of(called), AddressUse::read);
  EXPECT_EQ(use_of(jumped), AddressUse::read);
}

TEST(X86Address, IsFollowedThroughArithmeticAndForgottenWhenOverwritten) {
  EXPECT_EQ(use_of(behind_lea({0x48, 0x01, 0xc8, 0x48, 0x89, 0x07})),
            AddressUse::kept);                                                      // add %rcx,%rax; mov %rax,(%rdi)
  EXPECT_EQ(use_of(behind_lea({0x31, 0xc0, 0x48, 0x89, 0x07})), AddressUse::read);  // xor %eax,%eax; mov %rax,(%rdi)
}

}  // namespace
}  // namespace suture
