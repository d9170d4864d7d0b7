#include "arch/x86_gate.h"

namespace suture::x86 {
namespace {

constexpr uint8_t kGateStub[] = {
    0x50,                             //  0 push rax
    0x48, 0x8b, 0x05, 0, 0, 0, 0,     //  1 mov rax, [word_address]
    0x83, 0x38, 0x01,                 //  8 cmp dword [rax], 1
    0x58,                             // 11 pop rax
    0x0f, 0x82, 0,    0, 0, 0,        // 12 jb displaced
    0x0f, 0x84, 0,    0, 0, 0,        // 18 je new_code
    0x80, 0x3d, 0,    0, 0, 0, 0x00,  // 24 cmp byte [hold_flag], 0
    0x74, 0x05,                       // 31 je 38
    0xe8, 0,    0,    0, 0,           // 33 call hold
    0x50,                             // 38 push rax
    0x48, 0x8b, 0x05, 0, 0, 0, 0,     // 39 mov rax, [word_address]
    0xf6, 0x00, 0x01,                 // 46 test byte [rax], 1
    0x58,                             // 49 pop rax
    0x0f, 0x85, 0,    0, 0, 0,        // 50 jne new_code
};                                    // 56 displaced instructions, jump behind the redirect

constexpr uint8_t kGateHolding[] = {
    0x50,                             //  0 push rax
    0x52,                             //  1 push rdx
    0x0f, 0x31,                       //  2 rdtsc
    0x48, 0xc1, 0xe2, 0x20,           //  4 shl rdx, 32
    0x48, 0x09, 0xd0,                 //  8 or rax, rdx
    0x48, 0x8b, 0x15, 0,    0, 0, 0,  // 11 mov rdx, [word_address]
    0xf6, 0x02, 0x02,                 // 18 test byte [rdx], 2
    0x74, 0x0a,                       // 21 je 33
    0x48, 0x3b, 0x42, 0x08,           // 23 cmp rax, [rdx + 8]
    0x73, 0x04,                       // 27 jae 33
    0xf3, 0x90,                       // 29 pause
    0xeb, 0xe1,                       // 31 jmp 2
    0x5a,                             // 33 pop rdx
    0x58,                             // 34 pop rax
    0xc3,                             // 35 ret
};

}  // namespace

GateCode gate_code() {
  using To = GateCode::To;
  GateCode gate;
  gate.stub.code.assign(std::begin(kGateStub), std::end(kGateStub));
  gate.stub.fields = {{4, 8, To::word_address}, {14, 18, To::displaced}, {20, 24, To::new_code}, {26, 31, To::hold_flag},
                      {34, 38, To::hold},       {42, 46, To::word_address}, {52, 56, To::new_code}};
  gate.stub.pushed = {{1, 11, 8}, {39, 49, 8}};
  gate.hold.code.assign(std::begin(kGateHolding), std::end(kGateHolding));
  gate.hold.fields = {{14, 18, To::word_address}};
  gate.hold.pushed = {{1, 1, 8}, {2, 33, 16}, {34, 34, 8}};
  return gate;
}

}  // namespace suture::x86
