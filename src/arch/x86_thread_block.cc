// The blocks hang in a list that only grows: a thread that ends leaves its block to the next one. No lock is held anywhere, so
// that a signal handler or a thread that is stopped in here keeps nobody waiting.
//
// A block: 0 the next one, 8 whether a thread has it, 12 how often its thread's end was told, 64 the variables.
#include "arch/x86_thread_block.h"

#include <iterator>

namespace suture::x86 {
namespace {

using To = ThreadBlockCode::To;

// clang-format off
// System call 9 is mmap (Linux, arch/x86/entry/syscalls/syscall_64.tbl): allocating calls it, too, so that a process that is confined allows it.
constexpr uint8_t kKeeper[] = {
    // block: a function: the calling thread's block
    0xf3, 0x0f, 0x1e, 0xfa,                           // endbr64
    0x53,                                             // push rbx
    0x48, 0x8d, 0x1d, 0, 0, 0, 0,                     // lea rbx,[rip + control]
    // find:
    0x8b, 0x3b,                                       // mov edi,dword [rbx]
    0x83, 0xef, 0x01,                                 // sub edi,0x1
    0x72, 0x0c,                                       // jb first
    0xe8, 0, 0, 0, 0,                                 // call get
    0x48, 0x85, 0xc0,                                 // test rax,rax
    0x74, 0x0d,                                       // je new
    0x5b,                                             // pop rbx
    0xc3,                                             // ret
    // first: there is no key yet
    0xe8, 0xcc, 0, 0, 0,                              // call make_key
    0x85, 0xc0,                                       // test eax,eax
    0x74, 0xe4,                                       // je find
    // give_up: no key or no memory is left: what the C library does with its own thread-local data, too
    0x0f, 0x0b,                                       // ud2
    // new: the thread has none
    0x41, 0x54,                                       // push r12
    0x48, 0x83, 0xec, 0x08,                           // sub rsp,0x8
    0x4c, 0x8b, 0x63, 0x08,                           // mov r12,[rbx+0x8]
    // look: a block that a thread left
    0x4d, 0x85, 0xe4,                                 // test r12,r12
    0x74, 0x16,                                       // je map
    0x31, 0xc0,                                       // xor eax,eax
    0xb9, 0x01, 0, 0, 0,                              // mov ecx,0x1
    0xf0, 0x41, 0x0f, 0xb1, 0x4c, 0x24, 0x08,         // lock cmpxchg dword [r12+0x8],ecx
    0x74, 0x49,                                       // je fill
    0x4d, 0x8b, 0x24, 0x24,                           // mov r12,[r12]
    0xeb, 0xe5,                                       // jmp look
    // map:
    0x31, 0xff,                                       // xor edi,edi
    0x48, 0x8b, 0x73, 0x18,                           // mov rsi,[rbx+0x18]
    0xba, 0x03, 0, 0, 0,                              // mov edx,0x3
    0x41, 0xba, 0x22, 0, 0, 0,                        // mov r10d,0x22
    0x49, 0x83, 0xc8, 0xff,                           // or r8,0xffffffffffffffff
    0x45, 0x31, 0xc9,                                 // xor r9d,r9d
    0xb8, 0x09, 0, 0, 0,                              // mov eax,0x9
    0x0f, 0x05,                                       // syscall
    0x48, 0x3d, 0, 0xf0, 0xff, 0xff,                  // cmp rax,0xfffffffffffff000
    0x77, 0xb2,                                       // ja give_up
    0x49, 0x89, 0xc4,                                 // mov r12,rax
    0x41, 0xc7, 0x44, 0x24, 0x08, 0x01, 0, 0, 0,      // mov dword [r12+0x8],0x1
    0x48, 0x8b, 0x43, 0x08,                           // mov rax,[rbx+0x8]
    // push_it:
    0x49, 0x89, 0x04, 0x24,                           // mov [r12],rax
    0xf0, 0x4c, 0x0f, 0xb1, 0x63, 0x08,               // lock cmpxchg [rbx+0x8],r12
    0x75, 0xf4,                                       // jne push_it
    // fill: as new: the template, and zeros
    0x41, 0xc7, 0x44, 0x24, 0x0c, 0, 0, 0, 0,         // mov dword [r12+0xc],0x0
    0x49, 0x8d, 0x7c, 0x24, 0x40,                     // lea rdi,[r12+0x40]
    0x48, 0x8b, 0x73, 0x20,                           // mov rsi,[rbx+0x20]
    0x48, 0x8b, 0x4b, 0x10,                           // mov rcx,[rbx+0x10]
    0xf3, 0xa4,                                       // rep movs byte es:[rdi],byte ds:[rsi]
    0x48, 0x8b, 0x4b, 0x18,                           // mov rcx,[rbx+0x18]
    0x4c, 0x01, 0xe1,                                 // add rcx,r12
    0x48, 0x29, 0xf9,                                 // sub rcx,rdi
    0x31, 0xc0,                                       // xor eax,eax
    0xf3, 0xaa,                                       // rep stos byte es:[rdi],al
    0x8b, 0x3b,                                       // mov edi,dword [rbx]
    0xff, 0xcf,                                       // dec edi
    0xe8, 0, 0, 0, 0,                                 // call get
    0x48, 0x85, 0xc0,                                 // test rax,rax
    0x75, 0x19,                                       // jne have
    0x8b, 0x3b,                                       // mov edi,dword [rbx]
    0xff, 0xcf,                                       // dec edi
    0x4c, 0x89, 0xe6,                                 // mov rsi,r12
    0xe8, 0, 0, 0, 0,                                 // call set
    0x85, 0xc0,                                       // test eax,eax
    0x0f, 0x85, 0x4e, 0xff, 0xff, 0xff,               // jne give_up
    0x4c, 0x89, 0xe0,                                 // mov rax,r12
    0xeb, 0x09,                                       // jmp done
    // have: a signal handler came first; this one is left again
    0x41, 0xc7, 0x44, 0x24, 0x08, 0, 0, 0, 0,         // mov dword [r12+0x8],0x0
    // done:
    0x48, 0x83, 0xc4, 0x08,                           // add rsp,0x8
    0x41, 0x5c,                                       // pop r12
    0x5b,                                             // pop rbx
    0xc3,                                             // ret
    // make_key: a function: 0, or why there is no key
    0x48, 0x83, 0xec, 0x18,                           // sub rsp,0x18
    0x48, 0x8d, 0x7c, 0x24, 0x08,                     // lea rdi,[rsp+0x8]
    0x48, 0x8d, 0x35, 0x29, 0, 0, 0,                  // lea rsi,[rip+0x29]
    0xe8, 0, 0, 0, 0,                                 // call create
    0x85, 0xc0,                                       // test eax,eax
    0x75, 0x1b,                                       // jne made
    0x8b, 0x4c, 0x24, 0x08,                           // mov ecx,dword [rsp+0x8]
    0xff, 0xc1,                                       // inc ecx
    0xf0, 0x0f, 0xb1, 0x0d, 0, 0, 0, 0,               // lock cmpxchg dword [rip + control],ecx
    0x74, 0x0b,                                       // je made
    0x8b, 0x7c, 0x24, 0x08,                           // mov edi,dword [rsp+0x8]
    0xe8, 0, 0, 0, 0,                                 // call delete
    0x31, 0xc0,                                       // xor eax,eax
    // made:
    0x48, 0x83, 0xc4, 0x18,                           // add rsp,0x18
    0xc3,                                             // ret
    // destroy: a function: the C library calls it when a thread ends, as long as the value is set and four times at most; only then are others' destructors done with the variables
    0xf3, 0x0f, 0x1e, 0xfa,                           // endbr64
    0xff, 0x47, 0x0c,                                 // inc dword [rdi+0xc]
    0x83, 0x7f, 0x0c, 0x04,                           // cmp dword [rdi+0xc],0x4
    0x73, 0x13,                                       // jae free
    0x48, 0x89, 0xfe,                                 // mov rsi,rdi
    0x8b, 0x3d, 0, 0, 0, 0,                           // mov edi,dword [rip + control]
    0x83, 0xef, 0x01,                                 // sub edi,0x1
    0x72, 0x0c,                                       // jb gone
    0xe9, 0, 0, 0, 0,                                 // jmp set
    // free:
    0xc7, 0x47, 0x08, 0, 0, 0, 0,                     // mov dword [rdi+0x8],0x0
    // gone:
    0xc3,                                             // ret
    // prepare: a hook
    0xf3, 0x0f, 0x1e, 0xfa,                           // endbr64
    0x31, 0xc0,                                       // xor eax,eax
    0x83, 0x3d, 0, 0, 0, 0, 0,                        // cmp dword [rip + control],0x0
    0x74, 0x90,                                       // je make_key
    0xc3,                                             // ret
    // release: a hook: the key, whose destructor is in the patch, is made once more without one; blocks stay, since something may have their address
    0xf3, 0x0f, 0x1e, 0xfa,                           // endbr64
    0x53,                                             // push rbx
    0x48, 0x8d, 0x1d, 0, 0, 0, 0,                     // lea rbx,[rip + control]
    0x8b, 0x3b,                                       // mov edi,dword [rbx]
    0x83, 0xef, 0x01,                                 // sub edi,0x1
    0x72, 0x29,                                       // jb released
    0xc7, 0x03, 0, 0, 0, 0,                           // mov dword [rbx],0x0
    0xe8, 0, 0, 0, 0,                                 // call delete
    0x48, 0x83, 0xec, 0x10,                           // sub rsp,0x10
    0x48, 0x89, 0xe7,                                 // mov rdi,rsp
    0x31, 0xf6,                                       // xor esi,esi
    0xe8, 0, 0, 0, 0,                                 // call create
    0x8b, 0x3c, 0x24,                                 // mov edi,dword [rsp]
    0x48, 0x83, 0xc4, 0x10,                           // add rsp,0x10
    0x85, 0xc0,                                       // test eax,eax
    0x75, 0x05,                                       // jne released
    0xe8, 0, 0, 0, 0,                                 // call delete
    // released:
    0x31, 0xc0,                                       // xor eax,eax
    0x5b,                                             // pop rbx
    0xc3,                                             // ret
};
constexpr uint32_t kPrepareAt = 0x151, kReleaseAt = 0x161;
constexpr ThreadBlockCode::Field kKeeperFields[] = {
    {0x08, To::control, -4}, {0x14, To::get_specific, -4}, {0xbd, To::get_specific, -4}, {0xce, To::set_specific, -4},
    {0x101, To::create_key, -4}, {0x113, To::control, -4}, {0x11e, To::delete_key, -4}, {0x13b, To::control, -4},
    {0x145, To::set_specific, -4}, {0x159, To::control, -5}, {0x169, To::control, -4}, {0x17b, To::delete_key, -4},
    {0x189, To::create_key, -4}, {0x199, To::delete_key, -4}};

// The distance goes to where rax is popped from. Vector registers of any width are saved, since the C library's functions may
// change all of them: by xsave with components 0 to 2 and 5 to 7 (SDM volume 1, chapter 13), or by fxsave where there is none.
constexpr uint8_t kSave[] = {
    // distance:
    0x9c,                                             // pushf
    0x50,                                             // push rax
    0x55,                                             // push rbp
    0x48, 0x89, 0xe5,                                 // mov rbp,rsp
    0x53,                                             // push rbx
    0x51,                                             // push rcx
    0x52,                                             // push rdx
    0x56,                                             // push rsi
    0x57,                                             // push rdi
    0x41, 0x50,                                       // push r8
    0x41, 0x51,                                       // push r9
    0x41, 0x52,                                       // push r10
    0x41, 0x53,                                       // push r11
    0xfc,                                             // cld
    0x80, 0x3d, 0, 0, 0, 0, 0,                        // cmp byte [rip + control],0x0
    0x75, 0x15,                                       // jne known
    0xb8, 0x01, 0, 0, 0,                              // mov eax,0x1
    0x0f, 0xa2,                                       // cpuid
    0xc1, 0xe9, 0x1b,                                 // shr ecx,0x1b
    0x83, 0xe1, 0x01,                                 // and ecx,0x1
    0xff, 0xc1,                                       // inc ecx
    0x88, 0x0d, 0, 0, 0, 0,                           // mov byte [rip + control],cl
    // known:
    0x48, 0x81, 0xec, 0xc0, 0x0a, 0, 0,               // sub rsp,0xac0
    0x48, 0x83, 0xe4, 0xc0,                           // and rsp,0xffffffffffffffc0
    0x80, 0x3d, 0, 0, 0, 0, 0x02,                     // cmp byte [rip + control],0x2
    0x74, 0x07,                                       // je xs
    0x48, 0x0f, 0xae, 0x04, 0x24,                     // fxsave64 [rsp]
    0xeb, 0x1e,                                       // jmp saved
    // xs:
    0x48, 0x8d, 0xbc, 0x24, 0, 0x02, 0, 0,            // lea rdi,[rsp+0x200]
    0x31, 0xc0,                                       // xor eax,eax
    0xb9, 0x08, 0, 0, 0,                              // mov ecx,0x8
    0xf3, 0x48, 0xab,                                 // rep stos es:[rdi],rax
    0x31, 0xd2,                                       // xor edx,edx
    0xb8, 0xe7, 0, 0, 0,                              // mov eax,0xe7
    0x48, 0x0f, 0xae, 0x24, 0x24,                     // xsave64 [rsp]
    // saved:
    0xe8, 0, 0, 0, 0,                                 // call block
};
constexpr ThreadBlockCode::Field kSaveFields[] = {
    {0x16, To::control, -1}, {0x2e, To::control, 0}, {0x3f, To::control, -1}, {0x6c, To::block, -4}};

constexpr uint8_t kMinusThreadPointer[] = {
    0x48, 0x89, 0xc3,                                 // mov rbx,rax
    0x64, 0x48, 0x2b, 0x1c, 0x25, 0, 0, 0, 0,         // sub rbx,fs:0x0
};
constexpr uint8_t kMinusOwnBlock[] = {
    0x48, 0x89, 0xc3,                                 // mov rbx,rax
    0x48, 0x8d, 0x3d, 0, 0, 0, 0,                     // lea rdi,[rip + pair]
    0xe8, 0, 0, 0, 0,                                 // call get_addr
    0x48, 0x29, 0xc3,                                 // sub rbx,rax
};
constexpr ThreadBlockCode::Field kMinusOwnBlockFields[] = {{0x06, To::own_pair, -4}, {0x0b, To::get_address, -4}};

constexpr uint8_t kRestore[] = {
    0x48, 0x89, 0x5d, 0x08,                           // mov [rbp+0x8],rbx
    0x80, 0x3d, 0, 0, 0, 0, 0x02,                     // cmp byte [rip + control],0x2
    0x74, 0x07,                                       // je xr
    0x48, 0x0f, 0xae, 0x0c, 0x24,                     // fxrstor64 [rsp]
    0xeb, 0x0c,                                       // jmp back
    // xr:
    0x31, 0xd2,                                       // xor edx,edx
    0xb8, 0xe7, 0, 0, 0,                              // mov eax,0xe7
    0x48, 0x0f, 0xae, 0x2c, 0x24,                     // xrstor64 [rsp]
    // back:
    0x48, 0x8d, 0x65, 0xb8,                           // lea rsp,[rbp-0x48]
    0x41, 0x5b,                                       // pop r11
    0x41, 0x5a,                                       // pop r10
    0x41, 0x59,                                       // pop r9
    0x41, 0x58,                                       // pop r8
    0x5f,                                             // pop rdi
    0x5e,                                             // pop rsi
    0x5a,                                             // pop rdx
    0x59,                                             // pop rcx
    0x5b,                                             // pop rbx
    0x5d,                                             // pop rbp
    0x58,                                             // pop rax
    0x9d,                                             // popf
    0xc3,                                             // ret
};
constexpr ThreadBlockCode::Field kRestoreFields[] = {{0x06, To::control, -1}};
// clang-format on

template <typename Code>
void append(ThreadBlockCode::Part &part, const Code &code, std::span<const ThreadBlockCode::Field> fields) {
  const auto begin = static_cast<uint32_t>(part.code.size());
  part.code.insert(part.code.end(), std::begin(code), std::end(code));
  for (ThreadBlockCode::Field field : fields) {
    field.at += begin;
    part.fields.push_back(field);
  }
}

}  // namespace

ThreadBlockCode thread_block_code() {
  ThreadBlockCode out;
  append(out.keeper, kKeeper, kKeeperFields);
  out.prepare_at = kPrepareAt;
  out.release_at = kReleaseAt;
  append(out.from_thread_pointer, kSave, kSaveFields);
  append(out.from_thread_pointer, kMinusThreadPointer, {});
  append(out.from_thread_pointer, kRestore, kRestoreFields);
  append(out.from_own_block, kSave, kSaveFields);
  append(out.from_own_block, kMinusOwnBlock, kMinusOwnBlockFields);
  append(out.from_own_block, kRestore, kRestoreFields);
  return out;
}

}  // namespace suture::x86
