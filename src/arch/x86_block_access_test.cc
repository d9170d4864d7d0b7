#include <gtest/gtest.h>

#include "arch/arch.h"

namespace suture {
namespace {

const Arch &x86() { return *find_arch(ArchId::x86_64); }

std::optional<BlockAccess> access(const Bytes &code, uint32_t field_at, EdgeKind kind, int64_t offset = 0x50) {
  return x86().block_access(code, field_at, kind, offset);
}

// The stub as text, without the lines that step over the red zone and back and without addresses of branches.
std::string text(const std::optional<BlockAccess> &form) {
  if (!form) return "none";
  std::string out;
  for (size_t at = 0; at < form->stub.size();) {
    const ByteView rest = ByteView(form->stub).subspan(at);
    std::string line = x86().disassemble(rest, 0);
    const auto insn = x86().decode(rest);
    if (!insn) return out + "(bad)";
    at += insn->size_bytes;
    line = line.substr(0, line.rfind(" ("));
    if (line.starts_with("call ") || line.starts_with("jmp 0x")) line = line.substr(0, line.find(' '));
    if (line.find("[rsp") == std::string::npos) out += (out.empty() ? "" : "; ") + line;
  }
  return out;
}

TEST(X86BlockAccess, KeepsWhatTheInstructionDoes) {
  // mov %fs:x,%ebx
  EXPECT_EQ(text(access({0x64, 0x8b, 0x1c, 0x25, 0, 0, 0, 0}, 4, EdgeKind::tls_tp_off32)),
            "push rax; call; mov ebx, fs:[rax+0x50]; pop rax; jmp");
  // add %rax,%fs:x(,%rsi,8)
  EXPECT_EQ(text(access({0x64, 0x48, 0x01, 0x04, 0xf5, 0, 0, 0, 0}, 5, EdgeKind::tls_tp_off32)),
            "push rcx; push rax; call; mov rcx, rax; pop rax; lea rcx, [rcx+rsi*8]; add fs:[rcx+0x50], rax; pop rcx; jmp");
  // mov x@dtpoff(%r8,%r13,4),%r9d
  EXPECT_EQ(text(access({0x47, 0x8b, 0x8c, 0xa8, 0, 0, 0, 0}, 4, EdgeKind::tls_dtp_off32)),
            "push rax; call; lea rax, [rax+r8*1]; lea rax, [rax+r13*4]; mov r9d, [rax+0x50]; pop rax; jmp");
  // lea x@tpoff(%rax),%rdx
  EXPECT_EQ(text(access({0x48, 0x8d, 0x90, 0, 0, 0, 0}, 3, EdgeKind::tls_tp_off32)),
            "push rcx; push rax; call; mov rcx, rax; pop rax; lea rcx, [rcx+rax*1]; lea rdx, [rcx+0x50]; pop rcx; jmp");
  // cmpxchg %ecx,%fs:x uses rax, too
  EXPECT_EQ(text(access({0xf0, 0x64, 0x0f, 0xb1, 0x0c, 0x25, 0, 0, 0, 0}, 6, EdgeKind::tls_tp_off32)),
            "push rdx; push rax; call; mov rdx, rax; pop rax; lock cmpxchg fs:[rdx+0x50], ecx; pop rdx; jmp");
}

TEST(X86BlockAccess, KeepsVectorInstructions) {
  // vaddsd %fs:x(,%r9,8),%xmm12,%xmm9 (VEX of three bytes)
  EXPECT_EQ(text(access({0x64, 0xc4, 0x21, 0x1b, 0x58, 0x0c, 0xcd, 0, 0, 0, 0}, 7, EdgeKind::tls_tp_off32)),
            "push rax; call; lea rax, [rax+r9*8]; vaddsd xmm9, xmm12, qword ptr fs:[rax+0x50]; pop rax; jmp");
  // vmovups x@tpoff(%r10),%zmm17 (EVEX)
  EXPECT_EQ(text(access({0x62, 0xc1, 0x7c, 0x48, 0x10, 0x8a, 0, 0, 0, 0}, 6, EdgeKind::tls_tp_off32)),
            "push rax; call; lea rax, [rax+r10*1]; vmovups zmm17, zmmword ptr [rax+0x50]; pop rax; jmp");
  // vgatherdps x@tpoff(%rax,%xmm1,4): the index is a vector
  EXPECT_EQ(text(access({0xc4, 0xe2, 0x69, 0x92, 0x84, 0x88, 0, 0, 0, 0}, 6, EdgeKind::tls_tp_off32)), "none");
}

TEST(X86BlockAccess, KeepsAnImmediateBehindTheAddress) {
  // movq $imm,%fs:x, where the immediate has a reference of its own
  const auto form = access({0x64, 0x48, 0xc7, 0x04, 0x25, 0, 0, 0, 0, 1, 2, 3, 4}, 5, EdgeKind::tls_tp_off32);
  ASSERT_TRUE(form);
  EXPECT_EQ(Bytes(form->stub.begin() + form->moved_end - 4, form->stub.begin() + form->moved_end), (Bytes{1, 2, 3, 4}));
  EXPECT_EQ(form->instead, (Bytes{0xe9, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90}));
}

TEST(X86BlockAccess, TurnsOffsetsIntoDistances) {
  // mov x@gottpoff(%rip),%r13, and for rax
  EXPECT_EQ(text(access({0x4c, 0x8b, 0x2d, 0, 0, 0, 0}, 3, EdgeKind::tls_ie_pc32)), "push rax; call; lea r13, [rax+0x50]; pop rax; jmp");
  EXPECT_EQ(text(access({0x48, 0x8b, 0x05, 0, 0, 0, 0}, 3, EdgeKind::tls_ie_pc32)), "call; lea rax, [rax+0x50]; jmp");
  // add x@gottpoff(%rip),%rax
  EXPECT_EQ(text(access({0x48, 0x03, 0x05, 0, 0, 0, 0}, 3, EdgeKind::tls_ie_pc32)),
            "push rcx; push rax; call; mov rcx, rax; pop rax; lea rcx, [rcx+0x50]; add rax, rcx; pop rcx; jmp");
  // add $x@tpoff,%r12
  EXPECT_EQ(text(access({0x49, 0x81, 0xc4, 0, 0, 0, 0}, 3, EdgeKind::tls_tp_off32)),
            "push rax; call; lea rax, [rax+0x50]; add r12, rax; pop rax; jmp");
}

TEST(X86BlockAccess, CallsThroughAPointer) {
  // call *%fs:x returns to behind the instruction, jmp *%fs:x(,%rdx,8) does not
  const auto call = access({0x64, 0xff, 0x14, 0x25, 0, 0, 0, 0}, 4, EdgeKind::tls_tp_off32);
  EXPECT_EQ(text(call), "push rax; call; mov r11, rax; pop rax; mov r11, fs:[r11+0x50]; jmp r11");
  EXPECT_EQ(call->instead[0], 0xe8);
  const auto jump = access({0x64, 0xff, 0x24, 0xd5, 0, 0, 0, 0}, 4, EdgeKind::tls_tp_off32);
  EXPECT_EQ(text(jump), "push rax; call; mov r11, rax; pop rax; lea r11, [r11+rdx*8]; mov r11, fs:[r11+0x50]; jmp r11");
  EXPECT_EQ(jump->instead[0], 0xe9);
}

TEST(X86BlockAccess, LeadsWhatIsACallAlready) {
  const Bytes general = {0x66, 0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0x66, 0x66, 0x48, 0xe8, 0, 0, 0, 0};
  const auto form = access(general, 4, EdgeKind::tls_gd_pc32);
  ASSERT_TRUE(form);
  EXPECT_EQ(form->instead.size(), general.size());
  EXPECT_EQ(form->stub_field_at, 12U);
  EXPECT_EQ(text(form), "sub rsp, 0x08; call; add rsp, 0x08; lea rax, [rax+0x50]; ret");
  EXPECT_FALSE(form->finds_distance);
}

TEST(X86BlockAccess, HasNoFormForWhatMovesTheStack) {
  EXPECT_EQ(text(access({0x64, 0xff, 0x34, 0x25, 0, 0, 0, 0}, 4, EdgeKind::tls_tp_off32)), "none");        // push %fs:x
  EXPECT_EQ(text(access({0x64, 0x48, 0x8b, 0x24, 0x25, 0, 0, 0, 0}, 5, EdgeKind::tls_tp_off32)), "none");  // mov %fs:x,%rsp
  EXPECT_EQ(text(access({0x48, 0x3b, 0x05, 0, 0, 0, 0}, 3, EdgeKind::tls_ie_pc32)), "none");               // cmp x@gottpoff(%rip),%rax
}

}  // namespace
}  // namespace suture
