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
    0x48, 0x8d, 0x44, 0x24, 0x18,     //  2 lea rax, [rsp + 24]: where the caller's return address is
    0x48, 0x8d, 0x15, 58, 0, 0, 0,    //  7 lea rdx, [guests]
    0x48, 0x83, 0x7a, 0x08, 0x00,     // 14 cmp qword [rdx + 8], 0
    0x74, 0x11,                       // 19 je 38
    0x48, 0x3b, 0x02,                 // 21 cmp rax, [rdx]
    0x72, 0x06,                       // 24 jb 32
    0x48, 0x3b, 0x42, 0x08,           // 26 cmp rax, [rdx + 8]
    0x72, 0x25,                       // 30 jb 69
    0x48, 0x83, 0xc2, 0x10,           // 32 add rdx, 16
    0xeb, 0xe8,                       // 36 jmp 14
    0x0f, 0x31,                       // 38 rdtsc
    0x48, 0xc1, 0xe2, 0x20,           // 40 shl rdx, 32
    0x48, 0x09, 0xd0,                 // 44 or rax, rdx
    0x48, 0x8b, 0x15, 0,    0, 0, 0,  // 47 mov rdx, [word_address]
    0xf6, 0x02, 0x02,                 // 54 test byte [rdx], 2
    0x74, 0x0a,                       // 57 je 69
    0x48, 0x3b, 0x42, 0x08,           // 59 cmp rax, [rdx + 8]
    0x73, 0x04,                       // 63 jae 69
    0xf3, 0x90,                       // 65 pause
    0xeb, 0xbd,                       // 67 jmp 2
    0x5a,                             // 69 pop rdx
    0x58,                             // 70 pop rax
    0xc3,                             // 71 ret
};                                    // 72 guests
constexpr uint32_t kGuests = 32;

}  // namespace

GateCode gate_code() {
  using To = GateCode::To;
  GateCode gate;
  gate.stub.code.assign(std::begin(kGateStub), std::end(kGateStub));
  gate.stub.fields = {{4, 8, To::word_address}, {14, 18, To::displaced}, {20, 24, To::new_code}, {26, 31, To::hold_flag},
                      {34, 38, To::hold},       {42, 46, To::word_address}, {52, 56, To::new_code}};
  gate.stub.pushed = {{1, 11, 8}, {39, 49, 8}};
  gate.hold.code.assign(std::begin(kGateHolding), std::end(kGateHolding));
  gate.hold.fields = {{50, 54, To::word_address}};
  gate.hold.pushed = {{1, 1, 8}, {2, 69, 16}, {70, 70, 8}};
  gate.guests_at = static_cast<uint32_t>(gate.hold.code.size());
  gate.guests = kGuests;
  gate.hold.code.resize(gate.guests_at + (kGuests + 1) * GateCode::kGuestBytes);
  return gate;
}

}  // namespace suture::x86
