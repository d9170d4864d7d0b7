// A relocatable object file, format- and architecture-neutral: sections, symbols and the edges (relocations) between them.
// Filled by elf/read_object.cc; differencing, matching and linking work on nothing else.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "model/arch_id.h"

namespace suture {

// How the bytes at an edge depend on the target S, addend A and place P. G: the address of a GOT slot holding S;
// L: the address of a PLT stub for S, or S itself where the linker may bind directly.
enum class EdgeKind : uint8_t {
  none,
  abs64,          // S + A
  abs32,          // S + A, zero-extended
  abs32s,         // S + A, sign-extended
  pc32,           // S + A - P
  pc64,           // S + A - P, 64 bits
  plt32,          // L + A - P
  got_pc32,       // G + A - P; the linker may turn the load through the GOT into a direct reference
  got_base_pc32,  // address of the GOT + A - P (large code model; refused where it matters)
  got_off64,      // S + A - GOT
  tls_gd_pc32,    // address of a GOT pair (module, offset) for S, + A - P
  tls_ld_pc32,    // address of the GOT pair (module, 0), + A - P
  tls_dtp_off32,  // offset of S in its module's TLS block + A
  tls_dtp_off64,
  tls_ie_pc32,    // address of a GOT slot that holds the thread pointer offset of S, + A - P
  tls_tp_off32,   // thread pointer offset of S + A
  tls_tp_off64,
  tls_desc_pc32,  // address of the GOT pair that is the TLS descriptor of S, + A - P
  tls_desc_call,  // marks the call through the descriptor of S; no field
  size,           // size of S + A
  unsupported,
};

struct Edge {
  uint64_t offset = 0;  // in the section
  EdgeKind kind = EdgeKind::none;
  uint32_t symbol = 0;  // index into ObjectGraph::symbols
  int64_t addend = 0;
  uint32_t raw_type = 0;  // the format's own number, for messages
};

// Bytes that an edge of this kind covers.
inline uint32_t edge_bytes(EdgeKind kind) {
  switch (kind) {
    case EdgeKind::none:
    case EdgeKind::tls_desc_call: return 0;
    case EdgeKind::abs64:
    case EdgeKind::pc64:
    case EdgeKind::got_off64:
    case EdgeKind::tls_dtp_off64:
    case EdgeKind::tls_tp_off64: return 8;
    default: return 4;
  }
}

struct ObjectSection {
  enum class Kind : uint8_t {
    code,
    rodata,       // read-only data, not merged
    relro,        // data that only relocation writes (.data.rel.ro)
    strings,      // merged NUL-terminated strings of characters of entry_bytes each
    constants,    // merged constants of entry_bytes each
    data,
    bss,
    tls_data,
    tls_bss,
    unwind,       // .eh_frame
    init,         // .init_array, .fini_array, .ctors, ...
    debug,
    other,        // not loaded
  };
  std::string name;
  Kind kind = Kind::other;
  Bytes bytes;              // empty for bss kinds
  uint64_t size_bytes = 0;
  uint64_t alignment = 1;
  uint64_t entry_bytes = 0;
  std::vector<Edge> edges;  // ascending by offset
  bool in_group = false;    // COMDAT
  std::string owner;        // of a static local: the function that declares it, as the linker knows it; empty when not known
  bool pooled = false;      // pointers that the compiler put there for itself: constants without a name, each an item
  bool loaded() const { return kind != Kind::debug && kind != Kind::other; }
  bool is_bss() const { return kind == Kind::bss || kind == Kind::tls_bss; }
  // The program's or a thread's: it has a value of its own in each running process.
  bool is_variable() const { return is_bss() || kind == Kind::data || kind == Kind::tls_data; }
  bool is_thread_local() const { return kind == Kind::tls_data || kind == Kind::tls_bss; }
  bool is_merged() const { return kind == Kind::strings || kind == Kind::constants; }
  // Whether a relocation begins within these bytes.
  bool has_edges_in(uint64_t from, uint64_t count) const {
    const auto first = std::lower_bound(edges.begin(), edges.end(), from, [](const Edge &edge, uint64_t at) { return edge.offset < at; });
    return first != edges.end() && first->offset < from + count;
  }
  // Not merged ones.
  bool is_constant() const { return kind == Kind::rodata || kind == Kind::relro; }
};

struct ObjectSymbol {
  enum class Kind : uint8_t { none, data, function, section, file, tls, ifunc };
  enum class Binding : uint8_t { local, global, weak, unique };
  enum class Visibility : uint8_t { normal, hidden, protected_ };
  static constexpr uint32_t kUndefined = 0xffffffff;
  static constexpr uint32_t kAbsolute = 0xfffffffe;
  static constexpr uint32_t kCommon = 0xfffffffd;

  std::string name;
  uint32_t section = kUndefined;
  uint64_t value = 0;
  uint64_t size_bytes = 0;
  Kind kind = Kind::none;
  Binding binding = Binding::local;
  Visibility visibility = Visibility::normal;
  bool defined() const { return section != kUndefined; }
  bool in_section() const { return section < kCommon; }
  bool local() const { return binding == Binding::local; }
};

struct ObjectGraph {
  std::string path;
  ArchId arch = ArchId::unknown;
  std::vector<ObjectSection> sections;  // index 0 is the null section
  std::vector<ObjectSymbol> symbols;    // index 0 is the null symbol
  bool lto = false;                     // holds intermediate code instead of machine code
};

}  // namespace suture
