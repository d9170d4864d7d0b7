// What the core needs to know of an instruction set, as a const table of functions: one per architecture, chosen at run
// time. Adding an architecture means filling one more table (arch/registry.cc lists them).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/arch_id.h"
#include "model/object_graph.h"

namespace suture {

// One decoded instruction, as far as matching and redirecting care.
struct Instruction {
  enum class Flow : uint8_t {
    next,         // falls through
    jump,         // unconditional direct jump
    branch,       // conditional direct jump
    call,         // direct call
    indirect,     // indirect jump (including a computed goto or a jump table)
    indirect_call,
    ret,
    stop,         // ud2, hlt: never falls through
  };
  uint8_t size_bytes = 0;
  Flow flow = Flow::next;
  bool padding = false;          // a nop of any form, or int3
  bool endbr = false;            // landing pad instruction
  uint8_t rel_offset = 0;        // offset in the instruction of a PC-relative field (branch target or memory displacement)
  uint8_t rel_bytes = 0;         // its size: 0 (none), 1 or 4
  int32_t rel_value = 0;         // its value; target = end of instruction + rel_value
  bool rel_is_memory = false;    // the field is a PC-relative memory displacement rather than a branch
  uint8_t imm_offset[2] = {0, 0};  // immediates
  uint8_t imm_bytes[2] = {0, 0};
  uint8_t disp_offset = 0;       // memory displacement (PC-relative or not)
  uint8_t disp_bytes = 0;
  uint16_t mnemonic = 0;         // opaque; equal for equal operations
};

// Code with one 4-byte field, which is relative to its end.
struct FieldCode {
  Bytes code;
  uint32_t field_at = 0;
};

// Code that reaches a thread-local variable in another way than the compiler wrote it: as long as that, with one 4-byte field.
struct TlsForm {
  enum class Reach : uint8_t {
    nothing,  // needs no field
    offset,   // the field holds the variable's offset from the thread pointer
    slot,     // the field is the distance from its end to a slot that holds that offset
  };
  Bytes code;
  uint32_t field_at = 0;
  Reach reach = Reach::nothing;
};

// The sequence that calls __tls_get_addr, within a function's code.
struct TlsCall {
  uint64_t begin = 0;    // of the sequence
  uint64_t call_at = 0;  // where its call begins
  Bytes opcode;          // of a direct call in its place, with the 4-byte field, relative to its end, behind it
};

// A function that does as __tls_get_addr for one variable: it asks for another place in the same block, and adds the distance. The fields
// are 4 bytes; the first two are relative to their end.
struct TlsStub {
  Bytes code;
  uint32_t pair_at = 0;      // of the pair of slots to ask with
  uint32_t call_at = 0;      // of __tls_get_addr
  uint32_t distance_at = 0;  // holds the distance
};

// The code of gates (apply/gates.h). It reads the gate word, whose bit 0 says "new code" and bit 1 "callers of marked functions wait";
// the word behind that is the time stamp until which they do. Every register survives, flags do not (the ABI has none live at an entry).
struct GateCode {
  enum class To : uint8_t {
    word_address,  // where the address of the gate word is kept
    displaced,     // behind the stub: the instructions that the redirect took the place of
    new_code,
    hold_flag,  // a byte: whether callers of this function wait
    hold,       // the routine in which they do
  };
  struct Field {  // 4 bytes, relative to `end`, both offsets in its code
    uint32_t at = 0;
    uint32_t end = 0;
    To to = To::word_address;
  };
  struct Pushed {  // while the next instruction is one of these, so many bytes are on the stack above what was there at the beginning
    uint32_t first = 0, last = 0;
    uint64_t bytes = 0;
  };
  struct Part {
    Bytes code;
    std::vector<Field> fields;
    std::vector<Pushed> pushed;
  };
  Part stub;
  Part hold;  // called by the stub
  // Behind the waiting code, within `hold`: two words each, from and to, of stacks. A caller whose return address lies within one goes on at
  // once to what is in effect. The list ends where "to" is 0; there is room for so many and that end.
  static constexpr uint32_t kGuestBytes = 16;
  uint32_t guests_at = 0;
  uint32_t guests = 0;
};

// Code that does what an instruction does with a variable, given a slot that holds the variable's address.
struct FarForm {
  Bytes code;
  uint32_t slot_field_at = 0;  // 4-byte field: distance from its end to the slot
  bool in_place = false;       // as long as the instruction; otherwise it stands elsewhere, between two jumps
};
inline constexpr uint32_t kFarJumpBytes = 5;  // an instruction must be as long as the jump that takes its place

// What code is seen to do with the address of a thing. `read`: nothing that would outlast the function was seen.
enum class AddressUse : uint8_t {
  read,
  passed,  // to a function, which may keep it
  kept,    // stored outside of the stack, or returned
};

// Two hooks over one table of variables, and what runs hooks. An entry of the table is six words: the variable (0: the end),
// its size in bytes, where its old value, its new one and the mask of what counts are, and whether it was written.
struct ValueWriterCode {
  Bytes code;                   // the hook that writes new values, where the old ones stand, is at 0
  uint32_t put_back_at = 0;     // the hook that puts back what was written and still stands
  uint32_t table_field_at = 0;  // 4-byte field: distance from its end to the table
  Bytes runner;                 // suture_run_hook_
};
inline constexpr uint64_t kValueEntryBytes = 48;

// Code that keeps variables of each thread where threads that run already have no room for them: a block for each thread, which
// the thread's value of a key leads to (pthread_key_create), so that the C library tells of a thread's end. One control in the
// patch's data says what there is; its words are, in order: the key plus 1 (0: none yet) with four bytes that are the code's
// own behind it, the newest block, the template's size in bytes, the size of a block, and the template's address.
struct ThreadBlockCode {
  enum class To : uint8_t {
    control,
    block,         // the first function of `keeper`
    get_specific,  // pthread_getspecific, and so on
    set_specific,
    create_key,
    delete_key,
    own_pair,      // the two words that make __tls_get_addr return the image's own block of thread-local data
    get_address,   // __tls_get_addr
  };
  struct Field {  // 4 bytes, relative to itself
    uint32_t at = 0;
    To to = To::control;
    int32_t addend = 0;
  };
  struct Part {
    Bytes code;
    std::vector<Field> fields;
  };
  // At 0 a function without arguments that returns the calling thread's block, and makes it first when there is none.
  Part keeper;
  uint32_t prepare_at = 0;  // hook: makes the key
  uint32_t release_at = 0;  // hook: gives up the key; blocks stay as they are
  // Both return the distance of the block and leave all other registers and flags alone.
  Part from_thread_pointer;
  Part from_own_block;
};
inline constexpr uint64_t kThreadControlBytes = 40;
inline constexpr uint64_t kThreadControlTemplateBytesAt = 16;
inline constexpr uint64_t kThreadControlBlockBytesAt = 24;
inline constexpr uint64_t kThreadControlTemplateAt = 32;
inline constexpr uint64_t kThreadBlockHeaderBytes = 64;    // of the code's own; the template goes behind it
inline constexpr uint64_t kThreadBlockAlignment = 4096;

// How code reaches a variable in the thread's block instead of where the compiler thought it.
struct BlockAccess {
  Bytes instead;                // takes the place of the access, from the beginning of its first instruction
  uint32_t stub_field_at = 0;   // in `instead`: 4-byte field, relative to its end, that leads to `stub`
  Bytes stub;                   // empty when nothing else is needed
  uint32_t call_field_at = 0;   // in `stub`: the same, of a call of what finds the block
  bool finds_distance = false;  // it returns the block's distance rather than the block
  uint32_t back_field_at = 0;   // in `stub`: the same, back to behind the instruction; 0 when it does not go back
  uint32_t moved_end = 0;       // in `stub`: behind the instruction itself, with its further fields as far from there; 0 when it is not in it
};

inline constexpr size_t kLongestCallBytes = 7;

struct Arch {
  ArchId id;
  const char *name;
  uint32_t redirect_bytes;          // size of the jump written over a function's entry
  uint64_t function_alignment;      // usual alignment of functions, to judge padding
  // Decodes one instruction; nullopt when the bytes are no instruction.
  std::optional<Instruction> (*decode)(ByteView bytes);
  // The bytes of a direct jump placed at `from` that goes to `to`; refused when out of range.
  Result<Bytes> (*encode_jump)(uint64_t from, uint64_t to);
  // If `bytes` (at address `at`) start with such a jump: where it goes.
  std::optional<uint64_t> (*decode_jump)(ByteView bytes, uint64_t at);
  FieldCode (*near_jump)();  // as encode_jump makes it
  FieldCode (*slot_jump)();  // goes to the address in a slot
  // If `code` (at address `at`) is a stub of a procedure linkage table: the address of its slot.
  std::optional<uint64_t> (*plt_slot)(ByteView code, uint64_t at);
  void (*fill_nops)(std::span<uint8_t> room);
  void (*fill_traps)(std::span<uint8_t> room);  // code that ends a thread which gets there
  // Whether the last bytes may be a call, so that what is behind them may be a return address. At most kLongestCallBytes are looked at.
  bool (*ends_with_call)(ByteView before);
  // Whether a direct branch may begin with these bytes.
  bool (*may_begin_branch)(ByteView code);
  // Copies whole instructions covering at least `min_bytes` of the code at `from`, rewritten to run at `to`, followed by a
  // jump back to behind them; refused when an instruction cannot be moved.
  Result<Bytes> (*relocate)(ByteView code, uint64_t from, uint64_t to, uint32_t min_bytes);
  // Turns an instruction that reaches its operand through a PC-relative pointer slot into one that reaches it directly (mov
  // to lea, indirect call to direct call), in place and with the 4-byte field where it was. False when it is none of these.
  bool (*make_direct)(std::span<uint8_t> instruction);
  // What linkers make of such an instruction where the address fits into 32 bits and need not be relative to the code (a program at
  // a fixed address, or a weak symbol that nobody defines): as long, with the address as its last 4 bytes, which are 0 here. Empty when it is none.
  Bytes (*make_immediate)(ByteView instruction);
  // `code` starts with the instruction whose field at `field_at` makes a thread-local access of that kind: what linkers turn
  // the access into, where they know more than the compiler did. Empty when it is not the sequence that the ABI lays down.
  std::vector<TlsForm> (*tls_forms)(ByteView code, uint32_t field_at, EdgeKind access);
  // `code` has a field at `field_at` that makes a thread-local access of that kind by a call; nullopt when it is not written as the ABI lays down.
  std::optional<TlsCall> (*tls_call)(ByteView code, uint64_t field_at, EdgeKind access);
  TlsStub (*tls_stub)();
  GateCode (*gate_code)();
  ThreadBlockCode (*thread_block_code)();
  // `code` starts with the instruction whose field at `field_at` makes a thread-local access of that kind to what is `offset`
  // behind the start of the block; nullopt for what cannot be led there.
  std::optional<BlockAccess> (*block_access)(ByteView code, uint32_t field_at, EdgeKind access, int64_t offset);
  // `insn` names a variable in its 4-byte field at `field_at`, plus `offset`; empty when it can do without in no way.
  std::optional<FarForm> (*far_form)(ByteView insn, uint32_t field_at, int64_t offset);
  // `code` starts with an instruction that has the address of a thing in its field, or the place of a slot with that address.
  AddressUse (*address_use)(ByteView code, bool from_slot);
  ValueWriterCode (*value_writer)();
  // One line of assembly text for the instruction at `at` (Intel syntax), and its size; for people.
  std::string (*disassemble)(ByteView bytes, uint64_t at);
};

// Null when the architecture is not supported.
const Arch *find_arch(ArchId id);

}  // namespace suture
