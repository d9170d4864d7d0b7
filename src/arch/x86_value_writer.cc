#include "arch/x86_value_writer.h"

namespace suture {

namespace {

// Both functions take no argument, return 0 and change only registers that belong to the callee (psABI 3.2.1). They
// differ in what an entry of the table must be to be dealt with, and lead to one loop.
// clang-format off
constexpr uint8_t kCode[] = {
    // write:
    0xf3, 0x0f, 0x1e, 0xfa,              // endbr64
    0x45, 0x31, 0xc0,                    // xor  r8d, r8d          not written before
    0x41, 0xb9, 0x10, 0, 0, 0,           // mov  r9d, 16           must hold the old value
    0x41, 0xba, 0x18, 0, 0, 0,           // mov  r10d, 24          gets the new one
    0xeb, 0x16,                          // jmp  table
    // put_back:
    0xf3, 0x0f, 0x1e, 0xfa,              // endbr64
    0x41, 0xb8, 0x01, 0, 0, 0,           // mov  r8d, 1            written before
    0x41, 0xb9, 0x18, 0, 0, 0,           // mov  r9d, 24           must hold the new value
    0x41, 0xba, 0x10, 0, 0, 0,           // mov  r10d, 16          gets the old one
    // table:
    0x48, 0x8d, 0x3d, 0, 0, 0, 0,        // lea  rdi, [rip + table]
    // entry:
    0x48, 0x8b, 0x37,                    // mov  rsi, [rdi]        the variable; 0 ends the table
    0x48, 0x85, 0xf6,                    // test rsi, rsi
    0x74, 0x51,                          // je   end
    0x4c, 0x39, 0x47, 0x28,              // cmp  [rdi + 40], r8
    0x75, 0x45,                          // jne  next
    0x48, 0x8b, 0x57, 0x20,              // mov  rdx, [rdi + 32]   the mask
    0x48, 0x8b, 0x4f, 0x08,              // mov  rcx, [rdi + 8]    the size
    0x4a, 0x8b, 0x04, 0x0f,              // mov  rax, [rdi + r9]
    // compare, from the end:
    0x44, 0x8a, 0x5c, 0x0e, 0xff,        // mov  r11b, [rsi + rcx - 1]
    0x44, 0x32, 0x5c, 0x08, 0xff,        // xor  r11b, [rax + rcx - 1]
    0x44, 0x84, 0x5c, 0x0a, 0xff,        // test [rdx + rcx - 1], r11b
    0x75, 0x28,                          // jne  next
    0x48, 0xff, 0xc9,                    // dec  rcx
    0x75, 0xea,                          // jne  compare
    0x48, 0x8b, 0x4f, 0x08,              // mov  rcx, [rdi + 8]
    0x4a, 0x8b, 0x04, 0x17,              // mov  rax, [rdi + r10]
    // copy, from the end:
    0x80, 0x7c, 0x0a, 0xff, 0,           // cmp  byte [rdx + rcx - 1], 0
    0x74, 0x0a,                          // je   copied
    0x44, 0x8a, 0x5c, 0x08, 0xff,        // mov  r11b, [rax + rcx - 1]
    0x44, 0x88, 0x5c, 0x0e, 0xff,        // mov  [rsi + rcx - 1], r11b
    // copied:
    0x48, 0xff, 0xc9,                    // dec  rcx
    0x75, 0xea,                          // jne  copy
    0x48, 0x83, 0x77, 0x28, 0x01,        // xor  qword [rdi + 40], 1
    // next:
    0x48, 0x83, 0xc7, 0x30,              // add  rdi, 48
    0xeb, 0xa7,                          // jmp  entry
    // end:
    0x31, 0xc0,                          // xor  eax, eax
    0xc3,                                // ret
};
constexpr uint32_t kPutBackAt = 0x15;
constexpr uint32_t kTableFieldAt = 0x2e;

// void suture_run_hook_(struct suture_hook_count *count, suture_hook hook), as in include/suture/patch.h.
constexpr uint8_t kRunner[] = {
    0xf3, 0x0f, 0x1e, 0xfa,              // endbr64
    0x53,                                // push rbx               the stack is aligned again
    0x48, 0x89, 0xfb,                    // mov  rbx, rdi
    0xf0, 0xff, 0x03,                    // lock inc dword [rbx]   begun
    0xff, 0xd6,                          // call rsi
    0x85, 0xc0,                          // test eax, eax
    0x74, 0x09,                          // je   done
    0x83, 0x7b, 0x08, 0,                 // cmp  dword [rbx + 8], 0
    0x75, 0x03,                          // jne  done
    0x87, 0x43, 0x08,                    // xchg [rbx + 8], eax    the first refusal
    // done:
    0xf0, 0xff, 0x43, 0x04,              // lock inc dword [rbx + 4]
    0x5b,                                // pop  rbx
    0xc3,                                // ret
};
// clang-format on

}  // namespace

ValueWriterCode x86_value_writer() {
  return {Bytes(std::begin(kCode), std::end(kCode)), kPutBackAt, kTableFieldAt,
          Bytes(std::begin(kRunner), std::end(kRunner))};
}

}  // namespace suture
