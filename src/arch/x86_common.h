// What the two x86 instruction sets share: decoding (Zydis), branch forms and the five-byte direct jump. Pure functions
// on bytes; they must not know where the bytes come from. x86_64.cc fills the table for one mode from them.
#pragma once

#include "arch/arch.h"

namespace suture::x86 {

enum class Mode { bits32, bits64 };

inline constexpr uint32_t kJumpBytes = 5;  // e9 rel32

std::optional<Instruction> decode(Mode mode, ByteView bytes);
Result<Bytes> encode_jump(uint64_t from, uint64_t to);
std::optional<uint64_t> decode_jump(ByteView bytes, uint64_t at);
Result<Bytes> relocate(Mode mode, ByteView code, uint64_t from, uint64_t to, uint32_t min_bytes);
FieldCode near_jump();
FieldCode slot_jump();
std::optional<uint64_t> plt_slot(ByteView code, uint64_t at);
void fill_nops(std::span<uint8_t> room);
void fill_traps(std::span<uint8_t> room);
bool ends_with_call(ByteView before);
bool may_begin_branch(ByteView code);
std::string disassemble(Mode mode, ByteView bytes, uint64_t at);

}  // namespace suture::x86
