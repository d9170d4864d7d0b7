// For tests: C or C++ source -> HotImage for a program the test has built, by way of the system's compiler and linker.
// ld places the code at 0 (--emit-relocs keeps its relocations, which become fixups); symbols of the base program are
// given to it as absolute ones. The real build has its own linker (link/); this one only knows what the tests use.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/cat.h"
#include "base/file.h"
#include "elf/elf64.h"
#include "elf/read_image.h"
#include "model/hot_image.h"

namespace suture::testing_link {

struct Output {
  int status = -1;
  std::string text;
};

inline Output run(const std::string &command) {
  Output output;
  FILE *pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return output;
  char buffer[4096];
  size_t got = 0;
  while ((got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0) output.text.append(buffer, got);
  output.status = ::pclose(pipe);
  return output;
}

// Runs a command that must succeed.
inline std::string must(const std::string &command) {
  const Output output = run(command);
  EXPECT_EQ(output.status, 0) << command << "\n" << output.text;
  return output.text;
}

inline constexpr const char *kScript = R"(SECTIONS {
  . = 400;
  .text : { *(.text .text.*) }
  .rodata : ALIGN(16) { *(.rodata .rodata.*) }
  .gcc_except_table : ALIGN(4) { *(.gcc_except_table .gcc_except_table.*) }
  .eh_frame : ALIGN(8) { KEEP(*(.eh_frame)) }
  .eh_end : { LONG(0) }
  . = ALIGN(4096) + (. & 4095);
  .data : { *(.data .data.* .suture.*) }
  .bss : { *(.bss .bss.* COMMON) }
  /DISCARD/ : { *(.note*) *(.comment) }
})";

struct Old {
  std::string function;     // of the base
  std::string replacement;  // of the patch
};

inline const ImageSymbol *find_symbol(const Image &image, const std::string &name) {
  for (const auto *table : {&image.symbols, &image.dynamic_symbols})
    for (const ImageSymbol &symbol : *table)
      if (symbol.name == name && symbol.defined) return &symbol;
  return nullptr;
}

// Address of what `name` means in the base: its own symbol, or the PLT stub of an import.
inline uint64_t base_address(const Image &image, const std::string &name) {
  if (const ImageSymbol *symbol = find_symbol(image, name)) return symbol->address.value;
  for (const DynamicReloc &reloc : image.relocs) {
    if (image.dynamic_symbols.empty() || image.dynamic_symbols[reloc.symbol].name != name) continue;
    for (const PltEntry &entry : image.plt)
      if (entry.slot == reloc.at) return entry.stub.value;
  }
  return 0;
}

class HotLinker {
 public:
  HotLinker(const Image &base, const std::filesystem::path &folder) : base_(base), folder_(folder) {}

  // `versions`: symbol version of each import that has one.
  HotImage link(const std::string &compile, const std::string &source, const std::vector<Old> &olds,
                const std::map<std::string, std::string> &versions = {}) {
    const std::string object = (folder_ / "patch.o").string();
    const std::string linked = (folder_ / "patch.elf").string();
    const bool cxx = compile.find("g++") == 0;
    const std::filesystem::path file = folder_ / (cxx ? "patch.cc" : "patch.c");
    EXPECT_TRUE(write_file_atomic(file, as_bytes(source)));
    EXPECT_TRUE(write_file_atomic(folder_ / "patch.ld", as_bytes(kScript)));
    must(compile + " -c -o " + object + " " + file.string());
    std::string symbols;
    for (const std::string &name : undefined_in(object))
      if (const uint64_t at = base_address(base_, name); at != 0) symbols += " --defsym " + name + "=" + hex(at);
    must("ld -q -e 0 --unresolved-symbols=ignore-all --no-relax -T " + (folder_ / "patch.ld").string() + symbols +
         " -o " + linked + " " + object);
    bytes_ = *read_file(linked);
    return convert(olds, versions);
  }

 private:
  std::vector<std::string> undefined_in(const std::string &object) {
    std::vector<std::string> names;
    const std::string text = must("nm -u " + object);
    size_t at = 0;
    while (at < text.size()) {
      const size_t end = text.find('\n', at);
      const std::string line = text.substr(at, end - at);
      names.push_back(line.substr(line.find_last_of(' ') + 1));
      at = end + 1;
    }
    return names;
  }

  HotImage convert(const std::vector<Old> &olds, const std::map<std::string, std::string> &versions) {
    const Elf64File file = *Elf64File::open(bytes_);
    HotImage hot;
    hot.patch_id = "test-patch";
    hot.arch = ArchId::x86_64;
    hot.base_id = base_.id;
    hot.base_digest = base_.digest;
    hot.base_path = base_.path;
    hot.base_span = base_.span();
    hot.base_fixed = base_.fixed;
    add_segments(file, hot);
    for (const Elf64_Shdr &section : file.sections())
      if (section.sh_type == SHT_RELA) add_fixups(file, section, versions, hot);
    std::sort(hot.fixups.begin(), hot.fixups.end());
    add_symbols(file, hot);
    for (const Old &old : olds) add_redirect(old, hot);
    return hot;
  }

  void add_segments(const Elf64File &file, HotImage &hot) {
    HotSegment text{PatchOffset(0), 0, Bytes(kHotHeaderBytes), false, true};
    HotSegment data{PatchOffset(0), 0, {}, true, false};
    for (const Elf64_Shdr &section : file.sections()) {
      if (!(section.sh_flags & SHF_ALLOC) || section.sh_size == 0) continue;
      const std::string name(file.section_name(section));
      const bool writable = name == ".data" || name == ".bss";
      HotSegment &segment = writable ? data : text;
      if (writable && segment.memory_bytes == 0) segment.address = PatchOffset(section.sh_addr);
      const uint64_t into = section.sh_addr - segment.address.value;
      segment.memory_bytes = into + section.sh_size;
      if (section.sh_type != SHT_NOBITS) {
        segment.bytes.resize(into);
        const ByteView content = file.contents(section);
        segment.bytes.insert(segment.bytes.end(), content.begin(), content.end());
      }
      if (name == ".eh_end") continue;
      hot.sections.push_back({name, PatchOffset(section.sh_addr), section.sh_size, section.sh_addralign, writable,
                              name == ".text", section.sh_type == SHT_NOBITS});
      if (name == ".eh_frame") {
        hot.eh_frame = PatchOffset(section.sh_addr);
        hot.eh_frame_bytes = section.sh_size + 4;
      }
    }
    hot.segments.push_back(text);
    if (data.memory_bytes != 0) hot.segments.push_back(data);
  }

  void add_fixups(const Elf64File &file, const Elf64_Shdr &section, const std::map<std::string, std::string> &versions,
                  HotImage &hot) {
    const Elf64_Shdr &table = file.sections()[section.sh_link];
    Elf64_Rela rela{};
    for (uint64_t i = 0; read_record(file.contents(section), i, rela); i += sizeof rela) {
      Elf64_Sym symbol{};
      ASSERT_TRUE(read_record(file.contents(table), ELF64_R_SYM(rela.r_info) * sizeof symbol, symbol));
      const std::string name(Elf64File::string_at(file.contents(file.sections()[table.sh_link]), symbol.st_name));
      const bool base = symbol.st_shndx == SHN_ABS;
      const bool import = symbol.st_shndx == SHN_UNDEF;
      const auto type = ELF64_R_TYPE(rela.r_info);
      Fixup fixup;
      fixup.at = PatchOffset(rela.r_offset);
      if (type == R_X86_64_PC32 || type == R_X86_64_PLT32) {
        ASSERT_FALSE(import) << "relative reference to import " << name;
        if (!base) continue;
        fixup.kind = Fixup::Kind::base_rel32;
      } else if (type == R_X86_64_64) {
        fixup.kind = import ? Fixup::Kind::import_abs64 : base ? Fixup::Kind::base_abs64 : Fixup::Kind::self_abs64;
        if (import) fixup.import = import_index(name, ELF64_ST_BIND(symbol.st_info) == STB_WEAK, versions, hot);
      } else if ((type == R_X86_64_32 || type == R_X86_64_32S)) {
        if (base) continue;  // the base does not move either
        fixup.kind = Fixup::Kind::self_abs32;
      } else {
        FAIL() << "relocation type " << type << " against " << name;
      }
      hot.fixups.push_back(fixup);
    }
  }

  uint32_t import_index(const std::string &name, bool weak, const std::map<std::string, std::string> &versions,
                        HotImage &hot) {
    for (uint32_t i = 0; i < hot.imports.size(); ++i)
      if (hot.imports[i].name == name) return i;
    const auto version = versions.find(name);
    hot.imports.push_back({name, version == versions.end() ? "" : version->second, weak});
    return static_cast<uint32_t>(hot.imports.size() - 1);
  }

  void add_symbols(const Elf64File &file, HotImage &hot) {
    for (const Elf64_Shdr &section : file.sections()) {
      if (section.sh_type != SHT_SYMTAB) continue;
      Elf64_Sym symbol{};
      for (uint64_t i = 0; read_record(file.contents(section), i, symbol); i += sizeof symbol) {
        const auto type = ELF64_ST_TYPE(symbol.st_info);
        if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= SHN_LORESERVE ||
            (type != STT_FUNC && type != STT_OBJECT))
          continue;
        const std::string name(Elf64File::string_at(file.contents(file.sections()[section.sh_link]), symbol.st_name));
        hot.symbols.push_back({name, PatchOffset(symbol.st_value), symbol.st_size, type == STT_FUNC, false});
      }
    }
  }

  void add_redirect(const Old &old, HotImage &hot) {
    const ImageSymbol *from = find_symbol(base_, old.function);
    ASSERT_NE(from, nullptr) << old.function;
    for (const HotSymbol &to : hot.symbols) {
      if (to.name != old.replacement) continue;
      const LinkRange range{from->address, from->size_bytes};
      hot.redirects.push_back({old.function,
                               from->address,
                               from->address,
                               static_cast<uint32_t>(from->size_bytes),
                               {range},
                               to.address,
                               to.size_bytes});
      const ByteView code = base_.at(range.begin, range.size_bytes);
      hot.validations.push_back({range, Bytes(code.begin(), code.end()), {}, {}});
      return;
    }
    FAIL() << "no symbol " << old.replacement;
  }

  const Image &base_;
  std::filesystem::path folder_;
  Bytes bytes_;
};

}  // namespace suture::testing_link
