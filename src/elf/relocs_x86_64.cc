#include "elf/relocs_x86_64.h"

#include <elf.h>

namespace suture {

EdgeKind edge_kind_x86_64(uint32_t type) {
  switch (type) {
    case R_X86_64_NONE: return EdgeKind::none;
    case R_X86_64_64: return EdgeKind::abs64;
    case R_X86_64_32: return EdgeKind::abs32;
    case R_X86_64_32S: return EdgeKind::abs32s;
    case R_X86_64_PC32: return EdgeKind::pc32;
    case R_X86_64_PC64: return EdgeKind::pc64;
    case R_X86_64_PLT32: return EdgeKind::plt32;
    case R_X86_64_GOTPCREL:
    case R_X86_64_GOTPCRELX:
    case R_X86_64_REX_GOTPCRELX: return EdgeKind::got_pc32;
    case R_X86_64_GOTPC32: return EdgeKind::got_base_pc32;
    case R_X86_64_GOTOFF64: return EdgeKind::got_off64;
    case R_X86_64_TLSGD: return EdgeKind::tls_gd_pc32;
    case R_X86_64_TLSLD: return EdgeKind::tls_ld_pc32;
    case R_X86_64_DTPOFF32: return EdgeKind::tls_dtp_off32;
    case R_X86_64_DTPOFF64: return EdgeKind::tls_dtp_off64;
    case R_X86_64_GOTTPOFF: return EdgeKind::tls_ie_pc32;
    case R_X86_64_TPOFF32: return EdgeKind::tls_tp_off32;
    case R_X86_64_TPOFF64: return EdgeKind::tls_tp_off64;
    case R_X86_64_GOTPC32_TLSDESC: return EdgeKind::tls_desc_pc32;
    case R_X86_64_TLSDESC_CALL: return EdgeKind::tls_desc_call;
    case R_X86_64_SIZE32:
    case R_X86_64_SIZE64: return EdgeKind::size;
    default: return EdgeKind::unsupported;
  }
}

DynamicReloc::Kind dynamic_kind_x86_64(uint32_t type) {
  using Kind = DynamicReloc::Kind;
  switch (type) {
    case R_X86_64_RELATIVE: return Kind::relative;
    case R_X86_64_64: return Kind::symbol;
    case R_X86_64_GLOB_DAT: return Kind::got;
    case R_X86_64_JUMP_SLOT: return Kind::plt;
    case R_X86_64_IRELATIVE: return Kind::irelative;
    case R_X86_64_DTPMOD64: return Kind::tls_module;
    case R_X86_64_DTPOFF64: return Kind::tls_offset;
    case R_X86_64_TPOFF64: return Kind::tls_static;
    case R_X86_64_TLSDESC: return Kind::tls_descriptor;
    case R_X86_64_COPY: return Kind::copy;
    default: return Kind::other;
  }
}

}  // namespace suture
