// Bytes of x86-64 instructions, one behind the other: for the stubs that take the place of an instruction.
#pragma once

#include <initializer_list>

#include "base/bytes.h"

namespace suture::x86 {

inline constexpr uint8_t kRax = 0, kStackPointer = 4, kR11 = 11;  // as ModRM and REX count them

inline void append(Bytes &out, std::initializer_list<uint8_t> bytes) { out.insert(out.end(), bytes); }

// Four bytes; gives their place.
inline uint32_t append_field(Bytes &out, int64_t value = 0) {
  const auto field = static_cast<uint32_t>(static_cast<int32_t>(value));
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<uint8_t>(field >> shift));
  return static_cast<uint32_t>(out.size() - 4);
}

// lea -128(%rsp),%rsp and back: over the red zone (psABI 3.2.2), and no flag is touched.
inline void leave_red_zone(Bytes &out) { append(out, {0x48, 0x8d, 0x64, 0x24, 0x80}); }
inline void enter_red_zone(Bytes &out) { append(out, {0x48, 0x8d, 0xa4, 0x24, 0x80, 0x00, 0x00, 0x00}); }

}  // namespace suture::x86
