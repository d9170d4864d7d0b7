#include <gtest/gtest.h>

#include "arch/arch.h"

namespace suture {
namespace {

std::vector<TlsForm> forms(const Bytes &code, uint32_t field_at, EdgeKind kind) { return find_arch(ArchId::x86_64)->tls_forms(code, field_at, kind); }

TEST(X86Tls, EveryFormIsAsLongAsTheSequenceItStandsFor) {
  const Bytes general = {0x66, 0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0x66, 0x66, 0x48, 0xe8, 0, 0, 0, 0};
  for (const TlsForm &form : forms(general, 4, EdgeKind::tls_gd_pc32)) EXPECT_EQ(form.code.size(), general.size());
  EXPECT_EQ(forms(general, 4, EdgeKind::tls_gd_pc32).size(), 2U);
  const Bytes local = {0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0};
  ASSERT_EQ(forms(local, 3, EdgeKind::tls_ld_pc32).size(), 1U);
  EXPECT_EQ(forms(local, 3, EdgeKind::tls_ld_pc32)[0].code.size(), local.size());
  const Bytes local_without_plt = {0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0xff, 0x15, 0, 0, 0, 0};
  EXPECT_EQ(forms(local_without_plt, 3, EdgeKind::tls_ld_pc32)[0].code.size(), local_without_plt.size());
}

TEST(X86Tls, KeepsTheRegisterOfALoadInTheFormWithAnImmediate) {
  // mov x@gottpoff(%rip),%r13 -> mov $x@tpoff,%r13; disassembled, so that the encoding is not compared with itself
  const Arch &arch = *find_arch(ArchId::x86_64);
  const auto of = [&](const Bytes &code) { return arch.disassemble(forms(code, 3, EdgeKind::tls_ie_pc32).at(0).code, 0); };
  EXPECT_EQ(of({0x4c, 0x8b, 0x2d, 0, 0, 0, 0}), "mov r13, 0x00 (7)");
  EXPECT_EQ(of({0x48, 0x8b, 0x05, 0, 0, 0, 0}), "mov rax, 0x00 (7)");
  EXPECT_EQ(of({0x4c, 0x03, 0x0d, 0, 0, 0, 0}), "lea r9, [r9] (7)");
  EXPECT_EQ(of({0x4c, 0x03, 0x25, 0, 0, 0, 0}), "add r12, 0x00 (7)");
}

TEST(X86Tls, HasNoFormForWhatTheAbiDoesNotLayDown) {
  EXPECT_TRUE(forms({0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0x90, 0x90, 0xe8, 0, 0, 0, 0}, 3, EdgeKind::tls_ld_pc32).empty());
  EXPECT_TRUE(forms({0x48, 0x8d, 0x3d, 0, 0}, 3, EdgeKind::tls_ld_pc32).empty());
  EXPECT_TRUE(forms({0x66, 0x48, 0x8d, 0x3d, 0, 0, 0, 0}, 4, EdgeKind::tls_gd_pc32).empty());
  EXPECT_TRUE(forms({0x48, 0x3b, 0x05, 0, 0, 0, 0}, 3, EdgeKind::tls_ie_pc32).empty());
}

}  // namespace
}  // namespace suture
