// A linked file on disk (executable or shared object), format-neutral: what matching, binding, cold writing and
// applying need to know of it. Filled by elf/read_image.cc (later pe/).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "model/address.h"
#include "model/arch_id.h"
#include "model/image_id.h"

namespace suture {

struct Segment {
  LinkAddr address;
  uint64_t memory_bytes = 0;
  FileOffset offset;
  uint64_t file_bytes = 0;
  bool readable = false;
  bool writable = false;
  bool executable = false;
  LinkRange range() const { return {address, memory_bytes}; }
};

// One entry of the dynamic symbol table, or of the full one where the file has it.
struct ImageSymbol {
  enum class Kind : uint8_t { none, data, function, tls, ifunc, section, file, other };
  std::string name;
  std::string version;  // "GLIBC_2.34"; empty when unversioned
  LinkAddr address;     // meaningless when !defined; offset in the TLS block for Kind::tls
  uint64_t size_bytes = 0;
  Kind kind = Kind::none;
  bool defined = false;
  bool global = false;  // global or weak binding
  bool weak = false;
  bool hidden = false;  // hidden or internal visibility
  bool default_version = true;
};

// A word that the loader fixes up, in neutral form.
struct DynamicReloc {
  enum class Kind : uint8_t {
    relative,    // bias + addend
    symbol,      // address of `symbol` + addend, 64 bits (R_X86_64_64, GLOB_DAT)
    got,         // GLOB_DAT: a GOT slot that holds the address of `symbol`
    plt,         // JUMP_SLOT: a GOT slot used by a PLT entry, possibly bound lazily
    irelative,   // result of calling bias + addend
    tls_module,  // DTPMOD
    tls_offset,  // DTPOFF
    tls_static,  // TPOFF
    tls_descriptor,  // TLSDESC
    copy,        // COPY: the data of `symbol` lives here
    other,
  };
  LinkAddr at;
  Kind kind = Kind::other;
  uint32_t symbol = 0;  // index into Image::dynamic_symbols; 0 when none
  int64_t addend = 0;
};

// One code range with unwind information (an FDE of .eh_frame).
struct UnwindRange {
  LinkRange range;
  auto operator<=>(const UnwindRange &) const = default;
};

// A PLT entry: a stub whose only effect is a jump through `slot`.
struct PltEntry {
  LinkAddr stub;
  LinkAddr slot;
};

struct ImageSection {
  std::string name;
  LinkAddr address;
  FileOffset offset;
  uint64_t size_bytes = 0;
  bool allocated = false;
  bool executable = false;
  bool writable = false;
  bool no_bits = false;
};

struct Image {
  std::string path;  // as given; informational
  ArchId arch = ArchId::unknown;
  bool fixed = false;       // ET_EXEC: link address == run address
  bool executable = false;  // a program rather than a shared object (has an interpreter, or is ET_EXEC, or static PIE)
  ImageId id;
  Digest digest{};  // SHA-256 of the whole file
  Bytes bytes;      // the whole file
  LinkAddr entry;
  std::vector<LinkAddr> loader_calls;  // beside `entry`: functions that the file names to the loader by address alone (DT_INIT, DT_FINI)
  std::string soname;
  std::vector<std::string> needed;
  std::vector<Segment> segments;  // loadable ones, ascending
  std::vector<ImageSection> sections;
  std::vector<ImageSymbol> dynamic_symbols;  // index 0 is the null symbol
  std::vector<ImageSymbol> symbols;          // full symbol table; empty when stripped
  std::vector<DynamicReloc> relocs;
  std::vector<PltEntry> plt;                // every stub found in executable sections named .plt*
  std::vector<UnwindRange> unwind;          // ascending by begin
  std::optional<LinkRange> tls;             // PT_TLS: address and memory size of the template
  uint64_t tls_alignment = 1;
  bool bind_now = false;
  bool symbolic = false;  // DT_SYMBOLIC or DF_SYMBOLIC

  // A program (not a library that can also be run, as the C library can): its thread-local block lies at a fixed distance from
  // the thread pointer, so that linkers leave no other kind of access in it.
  bool has_first_tls_block() const { return executable && soname.empty(); }
  // Whether other modules can bind to the name.
  bool exports(std::string_view name) const;
  // From the lowest to the highest address that is loaded, rounded to nothing.
  LinkRange span() const;
  const Segment *segment_at(LinkAddr at) const;
  // File bytes at a link address: at most `size_bytes`, fewer at the end of the segment's file part; empty when not loaded
  // from the file.
  ByteView at(LinkAddr where, uint64_t size_bytes) const;
};

}  // namespace suture
