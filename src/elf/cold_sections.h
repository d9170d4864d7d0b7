// Section headers and symbol table of a coldpatched file. Nothing at run time reads them; debuggers, profilers, strip
// and readelf do. They stand at the end of the file, so they are taken off the base and written anew behind the patch.
#pragma once

#include <elf.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "elf/elf64.h"

namespace suture {

// A section of the base whose content now lies elsewhere; if the base has no header for it, one is added.
struct MovedSection {
  std::string name;          // for the header that is added
  uint64_t old_address = 0;  // 0: the base has none
  Elf64_Shdr header{};       // type, place, size, alignment, entry size, info
  uint32_t link_type = 0;    // sh_link is the section of this type (SHT_DYNSYM), or .dynstr for SHT_STRTAB; 0: none
};

struct AddedSection {
  std::string name;
  Elf64_Shdr header{};
};

struct AddedSymbol {
  std::string name;
  uint64_t address = 0;
  uint64_t size_bytes = 0;
  bool function = false;
};

struct SectionChanges {
  std::vector<MovedSection> moved;
  std::vector<AddedSection> added;
  std::vector<AddedSymbol> symbols;
};

// Bytes at the start of the base file to keep; what follows is written anew by append_sections. Refused when the file
// carries something behind its sections: a program that looks for it from the end of the file would not find it.
Result<uint64_t> kept_bytes(const Elf64File &base, ByteView bytes);

// Appends the symbol table, string tables and section headers to `file`, and points `header` at them.
Status append_sections(const Elf64File &base, const SectionChanges &changes, Bytes &file, Elf64_Ehdr &header);

}  // namespace suture
