// Bounds-checked access to the parts of a little-endian ELF64 file that images and objects share: header, section
// headers, program headers, string tables. 32-bit and big-endian files are refused here by name.
#pragma once

#include <elf.h>

#include <string_view>
#include <vector>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/result.h"
#include "model/arch_id.h"

namespace suture {

inline constexpr uint64_t kMaxSections = 1 << 20;       // -ffunction-sections on generated code makes many
inline constexpr uint64_t kMaxProgramHeaders = 512;
inline constexpr uint64_t kMaxSymbols = 1 << 23;
inline constexpr uint64_t kMaxRelocs = 1 << 24;

class Elf64File {
 public:
  // The view must outlive this object.
  static Result<Elf64File> open(ByteView bytes);

  const Elf64_Ehdr &header() const { return header_; }
  const std::vector<Elf64_Shdr> &sections() const { return sections_; }
  const std::vector<Elf64_Phdr> &programs() const { return programs_; }
  ArchId arch() const;

  // A section's bytes; empty for NOBITS or a section that lies outside the file.
  ByteView contents(const Elf64_Shdr &section) const;
  std::string_view section_name(const Elf64_Shdr &section) const;
  // A string in a string table; empty when out of bounds.
  static std::string_view string_at(ByteView table, uint64_t offset);

 private:
  ByteView bytes_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Shdr> sections_;
  std::vector<Elf64_Phdr> programs_;
  ByteView names_;
};

// Reads one fixed-size record; false when it does not fit.
template <typename Record>
bool read_record(ByteView bytes, uint64_t offset, Record &record) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(Record)) return false;
  std::memcpy(&record, bytes.data() + offset, sizeof(Record));
  return true;
}

}  // namespace suture
