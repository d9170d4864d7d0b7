#include "elf/cold_sections.h"

#include <algorithm>

#include "base/byte_writer.h"
#include "base/cat.h"

namespace suture {

namespace {

constexpr uint64_t kMaxPadding = 64;  // between the last section and the section headers

template <typename T>
ByteView view_of(const T &object) {
  return {reinterpret_cast<const uint8_t *>(&object), sizeof object};
}

// Index of the symbol table if it may be written anew: nothing but its own string table depends on its numbering. 0:
// none.
size_t growable_symbol_table(const Elf64File &base) {
  const auto &sections = base.sections();
  size_t found = 0;
  for (size_t i = 1; i < sections.size(); ++i) {
    if (sections[i].sh_type == SHT_SYMTAB_SHNDX) return 0;
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    const uint32_t strings = sections[i].sh_link;
    if (found != 0 || strings == base.header().e_shstrndx || strings >= sections.size() ||
        (sections[i].sh_flags & SHF_ALLOC) != 0 || (sections[strings].sh_flags & SHF_ALLOC) != 0 ||
        sections[i].sh_info > sections[i].sh_size / sizeof(Elf64_Sym))
      return 0;
    found = i;
  }
  for (const Elf64_Shdr &section : sections) {
    if (found == 0 || section.sh_link != found || section.sh_type != SHT_RELA) continue;
    const ByteView table = base.contents(section);
    Elf64_Rela raw{};
    for (uint64_t at = 0; read_record(table, at, raw); at += sizeof raw)
      if (ELF64_R_SYM(raw.r_info) != 0) return 0;  // linked with --emit-relocs
  }
  return found;
}

bool has_symbol_table(const Elf64File &base) {
  return std::any_of(base.sections().begin(), base.sections().end(),
                     [](const Elf64_Shdr &s) { return s.sh_type == SHT_SYMTAB; });
}

struct FileRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};

FileRange range_of(const Elf64_Shdr &section) {
  return {section.sh_offset, section.sh_offset + (section.sh_type == SHT_NOBITS ? 0 : section.sh_size)};
}

std::vector<FileRange> rewritten_ranges(const Elf64File &base) {
  const Elf64_Ehdr &header = base.header();
  std::vector<FileRange> ranges{{header.e_shoff, header.e_shoff + base.sections().size() * sizeof(Elf64_Shdr)}};
  if (header.e_shstrndx < base.sections().size()) ranges.push_back(range_of(base.sections()[header.e_shstrndx]));
  if (const size_t table = growable_symbol_table(base); table != 0) {
    ranges.push_back(range_of(base.sections()[table]));
    ranges.push_back(range_of(base.sections()[base.sections()[table].sh_link]));
  }
  return ranges;
}

// Writes the tables; its members are what they refer to each other by.
class SectionWriter {
 public:
  SectionWriter(const Elf64File &base, const SectionChanges &changes, Bytes &file)
      : base_(base), changes_(changes), file_(file), headers_(base.sections()) {
    const ByteView names = base.contents(base.sections()[base.header().e_shstrndx]);
    names_.assign(names.begin(), names.end());
    if (names_.empty()) names_.push_back(0);
  }

  void write(Elf64_Ehdr &header) {
    for (const MovedSection &moved : changes_.moved) move(moved);
    for (const AddedSection &added : changes_.added) add(added.name, added.header);
    for (const auto &[index, type] : links_) headers_[index].sh_link = linked(type);
    write_symbols();
    pad_to(8);
    Elf64_Shdr &names = headers_[header.e_shstrndx];
    names.sh_offset = file_.size();
    names.sh_size = names_.size();
    append(names_);
    pad_to(8);
    header.e_shoff = file_.size();
    header.e_shnum = static_cast<uint16_t>(headers_.size());
    for (const Elf64_Shdr &section : headers_) append(view_of(section));
  }

 private:
  size_t add(const std::string &name, Elf64_Shdr header) {
    header.sh_name = static_cast<uint32_t>(names_.size());
    names_.insert(names_.end(), name.begin(), name.end());
    names_.push_back(0);
    headers_.push_back(header);
    return headers_.size() - 1;
  }

  // Some linkers give .eh_frame_hdr a type of its own (SHT_X86_64_UNWIND).
  void move(const MovedSection &moved) {
    for (size_t i = 1; i < base_.sections().size(); ++i) {
      Elf64_Shdr &header = headers_[i];
      const bool same = moved.old_address != 0 && (header.sh_flags & SHF_ALLOC) != 0 &&
                        header.sh_addr == moved.old_address &&
                        (header.sh_type == moved.header.sh_type || moved.header.sh_type == SHT_PROGBITS);
      if (!same) continue;
      header.sh_addr = moved.header.sh_addr;
      header.sh_offset = moved.header.sh_offset;
      header.sh_size = moved.header.sh_size;
      if (moved.header.sh_info != 0) header.sh_info = moved.header.sh_info;
      return;
    }
    const size_t index = add(moved.name, moved.header);
    if (moved.link_type != 0) links_.emplace_back(index, moved.link_type);
  }

  uint32_t linked(uint32_t type) const {
    for (uint32_t i = 1; i < headers_.size(); ++i)
      if (headers_[i].sh_type == SHT_DYNSYM) return type == SHT_DYNSYM ? i : headers_[i].sh_link;
    return 0;
  }

  uint16_t section_of(uint64_t address) const {
    for (size_t i = headers_.size(); i-- > base_.sections().size();)
      if ((headers_[i].sh_flags & SHF_ALLOC) != 0 && address >= headers_[i].sh_addr &&
          address - headers_[i].sh_addr < headers_[i].sh_size)
        return static_cast<uint16_t>(i);
    return SHN_ABS;
  }

  // A symbol that marks a moved section moves along.
  void follow_section(Elf64_Sym &symbol) const {
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= base_.sections().size()) return;
    const Elf64_Shdr &before = base_.sections()[symbol.st_shndx];
    const Elf64_Shdr &after = headers_[symbol.st_shndx];
    if (before.sh_addr != after.sh_addr && symbol.st_value >= before.sh_addr &&
        symbol.st_value - before.sh_addr <= before.sh_size)
      symbol.st_value += after.sh_addr - before.sh_addr;
  }

  void write_symbols() {
    size_t table = growable_symbol_table(base_);
    if (table == 0 && (has_symbol_table(base_) || changes_.symbols.empty())) return;
    if (table == 0) table = add_symbol_table();
    const bool old = table < base_.sections().size();
    const ByteView entries = old ? base_.contents(base_.sections()[table]) : ByteView{};
    const ByteView old_strings = old ? base_.contents(base_.sections()[headers_[table].sh_link]) : ByteView{};
    ByteWriter strings;
    strings.append(old_strings);
    if (strings.size() == 0) strings.u8(0);

    const uint64_t first_global = headers_[table].sh_info;
    ByteWriter out;
    Elf64_Sym symbol{};
    if (!old) out.append(view_of(symbol));
    uint64_t index = 0;
    for (; index < first_global && read_record(entries, index * sizeof symbol, symbol); ++index) {
      follow_section(symbol);
      out.append(view_of(symbol));
    }
    for (const AddedSymbol &added : changes_.symbols) out.append(view_of(to_symbol(added, strings)));
    for (; read_record(entries, index * sizeof symbol, symbol); ++index) {
      follow_section(symbol);
      out.append(view_of(symbol));
    }
    headers_[table].sh_info = static_cast<uint32_t>((old ? first_global : 1) + changes_.symbols.size());
    place(headers_[table], out.bytes());
    place(headers_[headers_[table].sh_link], strings.bytes());
  }

  Elf64_Sym to_symbol(const AddedSymbol &added, ByteWriter &strings) const {
    Elf64_Sym symbol{};
    symbol.st_name = static_cast<uint32_t>(strings.size());
    strings.c_string(added.name);
    symbol.st_info = static_cast<uint8_t>(ELF64_ST_INFO(STB_LOCAL, added.function ? STT_FUNC : STT_OBJECT));
    symbol.st_shndx = section_of(added.address);
    symbol.st_value = added.address;
    symbol.st_size = added.size_bytes;
    return symbol;
  }

  size_t add_symbol_table() {
    Elf64_Shdr header{};
    header.sh_type = SHT_SYMTAB;
    header.sh_addralign = 8;
    header.sh_entsize = sizeof(Elf64_Sym);
    const size_t table = add(".symtab", header);
    header = {};
    header.sh_type = SHT_STRTAB;
    header.sh_addralign = 1;
    headers_[table].sh_link = static_cast<uint32_t>(add(".strtab", header));
    return table;
  }

  void place(Elf64_Shdr &header, ByteView content) {
    pad_to(8);
    header.sh_offset = file_.size();
    header.sh_size = content.size();
    append(content);
  }

  void append(ByteView bytes) { file_.insert(file_.end(), bytes.begin(), bytes.end()); }
  void pad_to(size_t alignment) { file_.resize((file_.size() + alignment - 1) / alignment * alignment); }

  const Elf64File &base_;
  const SectionChanges &changes_;
  Bytes &file_;
  std::vector<Elf64_Shdr> headers_;
  Bytes names_;
  std::vector<std::pair<size_t, uint32_t>> links_;
};

}  // namespace

Result<uint64_t> kept_bytes(const Elf64File &base, ByteView bytes) {
  uint64_t used = sizeof(Elf64_Ehdr);
  for (const Elf64_Phdr &program : base.programs()) used = std::max(used, program.p_offset + program.p_filesz);
  for (const Elf64_Shdr &section : base.sections()) used = std::max(used, range_of(section).end);
  used = std::max(used, base.header().e_shoff + base.sections().size() * sizeof(Elf64_Shdr));
  if (bytes.size() > used && bytes.size() - used > kMaxPadding)
    return Error::refused(
        cat("the file carries ", bytes.size() - used,
            " bytes behind its sections; a program that looks for them from the end would not find them"));
  if (base.sections().empty()) return uint64_t{bytes.size()};

  uint64_t end = bytes.size();
  const std::vector<FileRange> rewritten = rewritten_ranges(base);
  for (bool again = true; again;) {
    again = false;
    for (const FileRange &range : rewritten)
      if (range.begin < end && range.end <= end && end - range.end <= kMaxPadding) {
        end = range.begin;
        again = true;
      }
  }
  // Whatever the headers claim, nothing that stays in use may be cut off.
  uint64_t needed = sizeof(Elf64_Ehdr);
  for (const Elf64_Phdr &program : base.programs()) needed = std::max(needed, program.p_offset + program.p_filesz);
  for (const Elf64_Shdr &section : base.sections()) {
    const FileRange range = range_of(section);
    const bool anew = std::any_of(rewritten.begin(), rewritten.end(), [&](const FileRange &other) {
      return other.begin == range.begin && other.end == range.end;
    });
    if (!anew) needed = std::max(needed, range.end);
  }
  return std::min<uint64_t>(std::max(end, needed), bytes.size());
}

Status append_sections(const Elf64File &base, const SectionChanges &changes, Bytes &file, Elf64_Ehdr &header) {
  header.e_shoff = 0;
  if (base.sections().empty()) return {};
  if (header.e_shstrndx >= base.sections().size() ||
      base.sections().size() + changes.moved.size() + changes.added.size() + 2 >= SHN_LORESERVE)
    return Error::refused("the file has more sections than can be added to");
  SectionWriter(base, changes, file).write(header);
  return {};
}

}  // namespace suture
