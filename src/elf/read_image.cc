#include "elf/read_image.h"

#include <algorithm>

#include "arch/arch.h"
#include "base/cat.h"
#include "base/file.h"
#include "elf/build_id.h"
#include "elf/elf64.h"
#include "elf/read_unwind_ranges.h"
#include "elf/relocs_x86_64.h"

namespace suture {

namespace {

constexpr uint64_t kMaxDynamicEntries = 4096;
constexpr uint64_t kMaxNeeded = 1024;
constexpr uint64_t kMaxVersions = 1 << 16;

// What the dynamic section says, as link addresses and sizes.
struct DynamicTable {
  uint64_t symtab = 0, strtab = 0, strsz = 0, rela = 0, relasz = 0, jmprel = 0, pltrelsz = 0;
  uint64_t relr = 0, relrsz = 0;
  uint64_t versym = 0, verneed = 0, verneednum = 0, verdef = 0, verdefnum = 0, soname = 0, hash = 0, gnu_hash = 0;
  std::vector<uint64_t> needed;
  bool present = false;
};

void read_segments(const Elf64File &file, Image &image) {
  for (const Elf64_Phdr &program : file.programs()) {
    if (program.p_type == PT_TLS) {
      image.tls = LinkRange{LinkAddr(program.p_vaddr), program.p_memsz};
      image.tls_alignment = std::max<uint64_t>(1, program.p_align);
    }
    if (program.p_type == PT_INTERP) image.executable = true;
    if (program.p_type != PT_LOAD) continue;
    Segment segment;
    segment.address = LinkAddr(program.p_vaddr);
    segment.memory_bytes = program.p_memsz;
    segment.offset = FileOffset(program.p_offset);
    segment.file_bytes = std::min(program.p_filesz, program.p_memsz);
    segment.readable = program.p_flags & PF_R;
    segment.writable = program.p_flags & PF_W;
    segment.executable = program.p_flags & PF_X;
    image.segments.push_back(segment);
  }
  std::sort(image.segments.begin(), image.segments.end(),
            [](const Segment &a, const Segment &b) { return a.address < b.address; });
}

void read_sections(const Elf64File &file, Image &image) {
  for (const Elf64_Shdr &header : file.sections()) {
    ImageSection section;
    section.name = file.section_name(header);
    section.address = LinkAddr(header.sh_addr);
    section.offset = FileOffset(header.sh_offset);
    section.size_bytes = header.sh_size;
    section.allocated = header.sh_flags & SHF_ALLOC;
    section.executable = header.sh_flags & SHF_EXECINSTR;
    section.writable = header.sh_flags & SHF_WRITE;
    section.no_bits = header.sh_type == SHT_NOBITS;
    image.sections.push_back(std::move(section));
  }
}

void read_build_id(ByteView notes, uint64_t alignment, Image &image) {
  const ByteView id = find_build_id(notes, alignment);
  if (image.id.kind == ImageId::Kind::none && !id.empty()) image.id = ImageId{ImageId::Kind::elf_build_id, Bytes(id.begin(), id.end())};
}

Result<DynamicTable> read_dynamic(const Elf64File &file, Image &image) {
  DynamicTable table;
  for (const Elf64_Phdr &program : file.programs()) {
    if (program.p_type != PT_DYNAMIC) continue;
    table.present = true;
    ByteReader reader(image.at(LinkAddr(program.p_vaddr), program.p_filesz));
    for (uint64_t i = 0; i < kMaxDynamicEntries && reader.remaining() >= 16; ++i) {
      const uint64_t tag = reader.u64();
      const uint64_t value = reader.u64();
      if (tag == DT_NULL) break;
      switch (tag) {
        case DT_SYMTAB: table.symtab = value; break;
        case DT_STRTAB: table.strtab = value; break;
        case DT_STRSZ: table.strsz = value; break;
        case DT_RELA: table.rela = value; break;
        case DT_RELASZ: table.relasz = value; break;
        case 36 /* DT_RELR */: table.relr = value; break;
        case 35 /* DT_RELRSZ */: table.relrsz = value; break;
        case DT_JMPREL: table.jmprel = value; break;
        case DT_PLTRELSZ: table.pltrelsz = value; break;
        case DT_VERSYM: table.versym = value; break;
        case DT_VERNEED: table.verneed = value; break;
        case DT_VERNEEDNUM: table.verneednum = value; break;
        case DT_VERDEF: table.verdef = value; break;
        case DT_VERDEFNUM: table.verdefnum = value; break;
        case DT_SONAME: table.soname = value; break;
        case DT_HASH: table.hash = value; break;
        case DT_GNU_HASH: table.gnu_hash = value; break;
        case DT_INIT:
        case DT_FINI: image.loader_calls.push_back(LinkAddr(value)); break;
        case DT_SYMBOLIC: image.symbolic = true; break;
        case DT_BIND_NOW: image.bind_now = true; break;
        case DT_FLAGS:
          image.symbolic |= (value & DF_SYMBOLIC) != 0;
          image.bind_now |= (value & DF_BIND_NOW) != 0;
          break;
        case DT_FLAGS_1:
          image.bind_now |= (value & DF_1_NOW) != 0;
          image.executable |= (value & DF_1_PIE) != 0;
          break;
        case DT_NEEDED:
          if (table.needed.size() >= kMaxNeeded) return Error::corrupt("too many needed libraries");
          table.needed.push_back(value);
          break;
        default: break;
      }
    }
  }
  return table;
}

// One more than the highest symbol index that a relocation table uses.
uint64_t symbols_used_by(const Image &image, uint64_t address, uint64_t size_bytes) {
  if (address == 0) return 0;
  const ByteView table = image.at(LinkAddr(address), size_bytes);
  uint64_t highest = 0;
  Elf64_Rela raw{};
  for (uint64_t at = 0; read_record(table, at, raw); at += sizeof(raw))
    highest = std::max<uint64_t>(highest, ELF64_R_SYM(raw.r_info));
  return std::min(highest + 1, kMaxSymbols);
}

// What the hash tables leave open: a program that exports nothing has an empty DT_GNU_HASH whose first symbol is 1,
// however many symbols it imports. The section header knows; without one, what relocations use is what matters.
uint64_t unhashed_symbol_count(const Elf64File &file, const Image &image, const DynamicTable &table) {
  for (const Elf64_Shdr &section : file.sections())
    if (section.sh_type == SHT_DYNSYM && section.sh_addr == table.symtab)
      return std::min<uint64_t>(section.sh_size / sizeof(Elf64_Sym), kMaxSymbols);
  return std::max(symbols_used_by(image, table.rela, table.relasz), symbols_used_by(image, table.jmprel, table.pltrelsz));
}

// Number of dynamic symbols: DT_HASH says it; DT_GNU_HASH must be walked to the end of its last chain.
uint64_t hashed_symbol_count(const Image &image, const DynamicTable &table) {
  if (table.hash != 0) {
    ByteReader reader(image.at(LinkAddr(table.hash), 8));
    reader.skip(4);
    return std::min<uint64_t>(reader.u32(), kMaxSymbols);
  }
  if (table.gnu_hash == 0) return 0;
  ByteReader reader(image.at(LinkAddr(table.gnu_hash), UINT32_MAX));
  const uint32_t bucket_count = reader.u32();
  const uint32_t first_symbol = reader.u32();
  const uint32_t bloom_words = reader.u32();
  reader.skip(4 + uint64_t{bloom_words} * 8);
  uint32_t last = 0;
  for (uint32_t i = 0; i < bucket_count && reader.ok(); ++i) last = std::max(last, reader.u32());
  if (last < first_symbol) return first_symbol;
  reader.skip(uint64_t{last - first_symbol} * 4);
  while (reader.ok() && last < kMaxSymbols && !(reader.u32() & 1)) ++last;
  return reader.ok() ? last + 1 : 0;
}

ImageSymbol::Kind image_symbol_kind(unsigned type) {
  using Kind = ImageSymbol::Kind;
  switch (type) {
    case STT_NOTYPE: return Kind::none;
    case STT_OBJECT:
    case STT_COMMON: return Kind::data;
    case STT_FUNC: return Kind::function;
    case STT_TLS: return Kind::tls;
    case STT_GNU_IFUNC: return Kind::ifunc;
    case STT_SECTION: return Kind::section;
    case STT_FILE: return Kind::file;
    default: return Kind::other;
  }
}

ImageSymbol to_image_symbol(const Elf64_Sym &raw, std::string_view name) {
  ImageSymbol symbol;
  symbol.name = name;
  symbol.address = LinkAddr(raw.st_value);
  symbol.size_bytes = raw.st_size;
  symbol.kind = image_symbol_kind(ELF64_ST_TYPE(raw.st_info));
  symbol.defined = raw.st_shndx != SHN_UNDEF;
  symbol.weak = ELF64_ST_BIND(raw.st_info) == STB_WEAK;
  symbol.global = ELF64_ST_BIND(raw.st_info) != STB_LOCAL;
  const unsigned visibility = ELF64_ST_VISIBILITY(raw.st_other);
  symbol.hidden = visibility == STV_HIDDEN || visibility == STV_INTERNAL;
  return symbol;
}

// Version index -> name, from DT_VERNEED and DT_VERDEF.
std::vector<std::string> read_version_names(const Image &image, const DynamicTable &table, ByteView strings) {
  std::vector<std::string> names;
  const auto set = [&](uint64_t index, std::string_view name) {
    if (index >= kMaxVersions) return;
    if (names.size() <= index) names.resize(index + 1);
    names[index] = name;
  };
  uint64_t at = table.verneed;
  for (uint64_t i = 0; i < std::min(table.verneednum, kMaxVersions) && at != 0; ++i) {
    Elf64_Verneed need{};
    if (!read_record(image.at(LinkAddr(at), sizeof(need)), 0, need)) break;
    uint64_t aux_at = at + need.vn_aux;
    for (unsigned j = 0; j < need.vn_cnt; ++j) {
      Elf64_Vernaux aux{};
      if (!read_record(image.at(LinkAddr(aux_at), sizeof(aux)), 0, aux)) break;
      set(aux.vna_other & 0x7fff, Elf64File::string_at(strings, aux.vna_name));
      if (aux.vna_next == 0) break;
      aux_at += aux.vna_next;
    }
    at = need.vn_next == 0 ? 0 : at + need.vn_next;
  }
  at = table.verdef;
  for (uint64_t i = 0; i < std::min(table.verdefnum, kMaxVersions) && at != 0; ++i) {
    Elf64_Verdef def{};
    Elf64_Verdaux aux{};
    if (!read_record(image.at(LinkAddr(at), sizeof(def)), 0, def)) break;
    if (read_record(image.at(LinkAddr(at + def.vd_aux), sizeof(aux)), 0, aux) && !(def.vd_flags & VER_FLG_BASE))
      set(def.vd_ndx & 0x7fff, Elf64File::string_at(strings, aux.vda_name));
    at = def.vd_next == 0 ? 0 : at + def.vd_next;
  }
  return names;
}

void read_dynamic_symbols(const Elf64File &file, const DynamicTable &table, ByteView strings, Image &image) {
  const std::vector<std::string> versions = read_version_names(image, table, strings);
  const uint64_t count = std::max(hashed_symbol_count(image, table), unhashed_symbol_count(file, image, table));
  const ByteView symbols = image.at(LinkAddr(table.symtab), count * sizeof(Elf64_Sym));
  for (uint64_t i = 0; i < count; ++i) {
    Elf64_Sym raw{};
    if (!read_record(symbols, i * sizeof(raw), raw)) break;
    ImageSymbol symbol = to_image_symbol(raw, Elf64File::string_at(strings, raw.st_name));
    uint16_t version = 0;
    if (table.versym != 0 && read_record(image.at(LinkAddr(table.versym + 2 * i), 2), 0, version)) {
      if ((version & 0x7fff) < versions.size()) symbol.version = versions[version & 0x7fff];
      symbol.default_version = !(version & 0x8000);
    }
    image.dynamic_symbols.push_back(std::move(symbol));
  }
}

void read_rela(uint64_t address, uint64_t size_bytes, Image &image) {
  if (address == 0) return;
  const ByteView table = image.at(LinkAddr(address), size_bytes);
  const uint64_t count = std::min<uint64_t>(table.size() / sizeof(Elf64_Rela), kMaxRelocs);
  for (uint64_t i = 0; i < count; ++i) {
    Elf64_Rela raw{};
    (void)read_record(table, i * sizeof(raw), raw);  // within bounds: count comes from the size
    DynamicReloc reloc;
    reloc.at = LinkAddr(raw.r_offset);
    reloc.kind = dynamic_kind_x86_64(static_cast<uint32_t>(ELF64_R_TYPE(raw.r_info)));
    reloc.symbol = static_cast<uint32_t>(ELF64_R_SYM(raw.r_info));
    if (reloc.symbol >= image.dynamic_symbols.size()) reloc.symbol = 0;
    reloc.addend = raw.r_addend;
    image.relocs.push_back(reloc);
  }
}

// DT_RELR: an address, then bitmaps of the 63 words that follow it (gABI proposal, as binutils and glibc implement it).
// Each is a relative relocation whose addend stands in the word itself.
void read_relr(uint64_t address, uint64_t size_bytes, Image &image) {
  if (address == 0) return;
  ByteReader reader(image.at(LinkAddr(address), size_bytes));
  const auto add = [&](uint64_t at) {
    uint64_t addend = 0;
    if (!read_record(image.at(LinkAddr(at), 8), 0, addend)) return;
    image.relocs.push_back({LinkAddr(at), DynamicReloc::Kind::relative, 0, static_cast<int64_t>(addend)});
  };
  uint64_t next = 0;
  while (reader.remaining() >= 8 && image.relocs.size() < kMaxRelocs) {
    const uint64_t entry = reader.u64();
    if (!(entry & 1)) {
      add(entry);
      next = entry + 8;
      continue;
    }
    for (unsigned bit = 1; bit < 64; ++bit)
      if (entry >> bit & 1) add(next + 8 * (bit - 1));
    next += 63 * 8;
  }
}

// Stubs start at multiples of 8 in sections named .plt*. Files without section headers have no sections to look at, and calls through
// their PLT are then bound through the GOT slot.
void read_plt(Image &image) {
  const Arch *arch = find_arch(image.arch);
  if (arch == nullptr) return;
  for (const ImageSection &section : image.sections) {
    if (!section.executable || !section.name.starts_with(".plt")) continue;
    const ByteView code = image.at(section.address, section.size_bytes);
    for (size_t at = 0; at < code.size(); at += 8)
      if (const auto slot = arch->plt_slot(code.subspan(at), section.address.value + at)) image.plt.push_back({section.address + at, LinkAddr(*slot)});
  }
}

void read_symbol_table(const Elf64File &file, Image &image) {
  for (const Elf64_Shdr &header : file.sections()) {
    if (header.sh_type != SHT_SYMTAB) continue;
    const ByteView table = file.contents(header);
    const ByteView names = header.sh_link < file.sections().size() ? file.contents(file.sections()[header.sh_link]) : ByteView{};
    const uint64_t count = std::min<uint64_t>(table.size() / sizeof(Elf64_Sym), kMaxSymbols);
    for (uint64_t i = 0; i < count; ++i) {
      Elf64_Sym raw{};
      (void)read_record(table, i * sizeof(raw), raw);  // within bounds: count comes from the size
      image.symbols.push_back(to_image_symbol(raw, Elf64File::string_at(names, raw.st_name)));
    }
  }
}

// What the loader goes by: segments, identity, names.
Result<DynamicTable> read_outline(const Elf64File &file, Image &image) {
  if (file.header().e_type != ET_EXEC && file.header().e_type != ET_DYN)
    return Error::corrupt(cat(image.path, ": not an executable or shared object"));
  image.arch = file.arch();
  if (image.arch != ArchId::x86_64)
    return Error::refused(cat(image.path, ": machine ", file.header().e_machine, " is not supported yet"));
  image.fixed = file.header().e_type == ET_EXEC;
  image.executable = image.fixed;
  image.entry = LinkAddr(file.header().e_entry);
  read_segments(file, image);
  if (image.segments.empty()) return Error::corrupt(cat(image.path, ": has no loadable segment"));
  read_sections(file, image);
  for (const Elf64_Phdr &program : file.programs())
    if (program.p_type == PT_NOTE && program.p_offset <= image.bytes.size())
      read_build_id(ByteView(image.bytes).subspan(program.p_offset, std::min<uint64_t>(program.p_filesz, image.bytes.size() - program.p_offset)),
                    program.p_align, image);
  const DynamicTable table = TRY_WHILE(read_dynamic(file, image), cat("reading ", image.path));
  if (!table.present) return table;
  const ByteView strings = image.at(LinkAddr(table.strtab), table.strsz);
  image.soname = table.soname ? Elf64File::string_at(strings, table.soname) : "";
  for (const uint64_t offset : table.needed) image.needed.emplace_back(Elf64File::string_at(strings, offset));
  read_dynamic_symbols(file, table, strings, image);
  return table;
}

Image image_of(Bytes bytes, std::string path) {
  Image image;
  image.path = std::move(path);
  image.bytes = std::move(bytes);
  return image;
}

}  // namespace

Result<Image> read_elf_image(Bytes bytes, std::string path) {
  Image image = image_of(std::move(bytes), std::move(path));
  const Elf64File file = TRY_WHILE(Elf64File::open(image.bytes), cat("reading ", image.path));
  const DynamicTable table = TRY(read_outline(file, image));
  image.digest = sha256(image.bytes);
  if (table.present) {
    read_rela(table.rela, table.relasz, image);
    if (table.jmprel < table.rela || table.jmprel >= table.rela + table.relasz) read_rela(table.jmprel, table.pltrelsz, image);
    read_relr(table.relr, table.relrsz, image);
  }
  read_plt(image);
  read_symbol_table(file, image);
  image.unwind = read_unwind_ranges(image);
  return image;
}

Result<Image> read_elf_image_file(const std::filesystem::path &path) {
  return read_elf_image(TRY(read_file(path)), path.string());
}

Result<Image> read_elf_outline_file(const std::filesystem::path &path) {
  Image image = image_of(TRY(read_file(path)), path.string());
  const Elf64File file = TRY_WHILE(Elf64File::open(image.bytes), cat("reading ", image.path));
  TRY(read_outline(file, image));
  return image;
}

}  // namespace suture
