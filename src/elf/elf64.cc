#include "elf/elf64.h"

#include "base/cat.h"

namespace suture {

namespace {

Status check_ident(const Elf64_Ehdr &header) {
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return Error::corrupt("not an ELF file");
  if (header.e_ident[EI_CLASS] == ELFCLASS32) return Error::refused("a 32-bit ELF file; only 64-bit ones are supported");
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return Error::corrupt("ELF file of unknown class");
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) return Error::refused("a big-endian ELF file; not supported");
  return {};
}

}  // namespace

Result<Elf64File> Elf64File::open(ByteView bytes) {
  Elf64File file;
  file.bytes_ = bytes;
  if (bytes.size() >= EI_NIDENT) std::memcpy(file.header_.e_ident, bytes.data(), EI_NIDENT);
  TRY(check_ident(file.header_));
  if (!read_record(bytes, 0, file.header_)) return Error::corrupt("ELF file shorter than its header");
  const Elf64_Ehdr &header = file.header_;

  uint64_t section_count = header.e_shnum;
  uint64_t names_index = header.e_shstrndx;
  if (header.e_shoff != 0) {
    Elf64_Shdr first{};
    if (header.e_shentsize != sizeof(Elf64_Shdr) || !read_record(bytes, header.e_shoff, first))
      return Error::corrupt("ELF section headers lie outside the file");
    if (section_count == 0) section_count = first.sh_size;          // more than SHN_LORESERVE sections (gABI)
    if (names_index == SHN_XINDEX) names_index = first.sh_link;
    if (section_count > kMaxSections || section_count > (bytes.size() - header.e_shoff) / sizeof(Elf64_Shdr))
      return Error::corrupt(cat("ELF file claims ", section_count, " sections"));
    file.sections_.resize(section_count);
    for (uint64_t i = 0; i < section_count; ++i)
      (void)read_record(bytes, header.e_shoff + i * sizeof(Elf64_Shdr), file.sections_[i]);  // within bounds, above
    if (names_index < section_count) file.names_ = file.contents(file.sections_[names_index]);
  }
  if (header.e_phnum != 0) {
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > kMaxProgramHeaders || header.e_phoff > bytes.size() ||
        header.e_phnum > (bytes.size() - header.e_phoff) / sizeof(Elf64_Phdr))
      return Error::corrupt("ELF program headers lie outside the file");
    file.programs_.resize(header.e_phnum);
    for (uint64_t i = 0; i < header.e_phnum; ++i)
      (void)read_record(bytes, header.e_phoff + i * sizeof(Elf64_Phdr), file.programs_[i]);  // within bounds, above
  }
  return file;
}

ArchId Elf64File::arch() const {
  switch (header_.e_machine) {
    case EM_X86_64: return ArchId::x86_64;
    case EM_AARCH64: return ArchId::aarch64;
    default: return ArchId::unknown;
  }
}

ByteView Elf64File::contents(const Elf64_Shdr &section) const {
  if (section.sh_type == SHT_NOBITS || section.sh_offset > bytes_.size() ||
      section.sh_size > bytes_.size() - section.sh_offset)
    return {};
  return bytes_.subspan(section.sh_offset, section.sh_size);
}

std::string_view Elf64File::section_name(const Elf64_Shdr &section) const { return string_at(names_, section.sh_name); }

std::string_view Elf64File::string_at(ByteView table, uint64_t offset) {
  ByteReader reader(table);
  reader.seek(offset);
  return reader.c_string();
}

}  // namespace suture
