#include "arch/x86_tls.h"

#include <algorithm>

namespace suture::x86 {
namespace {

using Reach = TlsForm::Reach;

bool starts_with(ByteView code, std::initializer_list<uint8_t> bytes) {
  return code.size() >= bytes.size() && std::equal(bytes.begin(), bytes.end(), code.begin());
}

Bytes joined(std::initializer_list<uint8_t> a, std::initializer_list<uint8_t> b) {
  Bytes out(a);
  out.insert(out.end(), b);
  return out;
}

// data16 lea x@tlsgd(%rip),%rdi, then 8 bytes that call __tls_get_addr, padded with prefixes.
std::vector<TlsForm> general_dynamic(ByteView code, uint32_t field_at) {
  if (field_at != 4 || !starts_with(code, {0x66, 0x48, 0x8d, 0x3d}) || code.size() < 16) return {};
  const ByteView call = code.subspan(8);
  if (!starts_with(call, {0x66, 0x66, 0x48, 0xe8}) && !starts_with(call, {0x66, 0x48, 0x67, 0xe8}) && !starts_with(call, {0x66, 0x48, 0xff, 0x15}))
    return {};
  // mov %fs:0,%rax, then lea x@tpoff(%rax),%rax or add x@gottpoff(%rip),%rax
  return {{joined({0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0}, {0x48, 0x8d, 0x80, 0, 0, 0, 0}), 12, Reach::offset},
          {joined({0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0}, {0x48, 0x03, 0x05, 0, 0, 0, 0}), 12, Reach::slot}};
}

// lea x@tlsld(%rip),%rdi; call __tls_get_addr: the block begins where the offsets count from, at the thread pointer.
std::vector<TlsForm> local_dynamic(ByteView code, uint32_t field_at) {
  if (field_at != 3 || !starts_with(code, {0x48, 0x8d, 0x3d})) return {};
  const ByteView call = code.subspan(std::min<size_t>(7, code.size()));
  if (starts_with(call, {0xe8}) && call.size() >= 5)
    return {{joined({0x66, 0x66, 0x66}, {0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0}), 0, Reach::nothing}};
  if (starts_with(call, {0xff, 0x15}) && call.size() >= 6)
    return {{joined({0x66, 0x66, 0x66, 0x66}, {0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0}), 0, Reach::nothing}};
  return {};
}

// REX.R says the register of a load; in the forms with an immediate it is the operand, which REX.B extends.
uint8_t rex_for_operand(uint8_t rex) { return static_cast<uint8_t>(0x48 | (rex >> 2 & 1)); }

// mov or add x@gottpoff(%rip),%reg
std::vector<TlsForm> initial_exec(ByteView code, uint32_t field_at) {
  if (field_at != 3 || code.size() < 7 || (code[0] & 0xfb) != 0x48 || (code[2] & 0xc7) != 0x05) return {};
  const uint8_t reg = code[2] >> 3 & 7;
  const uint8_t rex = rex_for_operand(code[0]);
  if (code[1] == 0x8b) return {{Bytes{rex, 0xc7, static_cast<uint8_t>(0xc0 | reg), 0, 0, 0, 0}, 3, Reach::offset}};  // mov $x@tpoff,%reg
  if (code[1] != 0x03) return {};
  // add $x@tpoff,%reg, or where its encoding allows lea x@tpoff(%reg),%reg
  const TlsForm add{Bytes{rex, 0x81, static_cast<uint8_t>(0xc0 | reg), 0, 0, 0, 0}, 3, Reach::offset};
  if (reg == 4) return {add};
  const uint8_t both = static_cast<uint8_t>(rex | (code[0] & 4));
  return {{Bytes{both, 0x8d, static_cast<uint8_t>(0x80 | reg | reg << 3), 0, 0, 0, 0}, 3, Reach::offset}, add};
}

// lea x@tlsdesc(%rip),%reg
std::vector<TlsForm> descriptor(ByteView code, uint32_t field_at) {
  if (field_at != 3 || code.size() < 7 || (code[0] & 0xfb) != 0x48 || code[1] != 0x8d || (code[2] & 0xc7) != 0x05) return {};
  const uint8_t reg = code[2] >> 3 & 7;
  return {{Bytes{rex_for_operand(code[0]), 0xc7, static_cast<uint8_t>(0xc0 | reg), 0, 0, 0, 0}, 3, Reach::offset},
          {Bytes{code[0], 0x8b, code[2], 0, 0, 0, 0}, 3, Reach::slot}};
}

}  // namespace

std::vector<TlsForm> tls_forms(ByteView code, uint32_t field_at, EdgeKind access) {
  switch (access) {
    case EdgeKind::tls_gd_pc32: return general_dynamic(code, field_at);
    case EdgeKind::tls_ld_pc32: return local_dynamic(code, field_at);
    case EdgeKind::tls_ie_pc32: return initial_exec(code, field_at);
    case EdgeKind::tls_desc_pc32: return descriptor(code, field_at);
    case EdgeKind::tls_desc_call:  // call *x@tlscall(%rax)
      if (starts_with(code, {0xff, 0x10})) return {{Bytes{0x66, 0x90}, 0, Reach::nothing}};
      return {};
    default: return {};
  }
}

std::optional<TlsCall> tls_call(ByteView code, uint64_t field_at, EdgeKind access) {
  const bool general = access == EdgeKind::tls_gd_pc32;
  const uint64_t before = general ? 4 : 3;  // lea, with a prefix in the one
  if ((!general && access != EdgeKind::tls_ld_pc32) || field_at < before || field_at > code.size()) return std::nullopt;
  const uint64_t begin = field_at - before;
  const ByteView sequence = code.subspan(begin);
  if (tls_forms(sequence, static_cast<uint32_t>(before), access).empty()) return std::nullopt;
  if (general) return TlsCall{begin, begin + 8, {0x66, 0x66, 0x48, 0xe8}};
  return TlsCall{begin, begin + 7, sequence[7] == 0xff ? Bytes{0x67, 0xe8} : Bytes{0xe8}};
}

TlsStub tls_stub() {
  return {{0x48, 0x83, 0xec, 0x08,              //  0 sub $8,%rsp
           0x48, 0x8d, 0x3d, 0,    0, 0, 0,     //  4 lea pair(%rip),%rdi
           0xe8, 0,    0,    0,    0,           // 11 call __tls_get_addr
           0x48, 0x83, 0xc4, 0x08,              // 16 add $8,%rsp
           0x48, 0x8d, 0x80, 0,    0, 0, 0,     // 20 lea distance(%rax),%rax
           0xc3},                               // 27 ret
          7, 12, 23};
}

}  // namespace suture::x86
