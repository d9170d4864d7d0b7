#include "build/dwarf_object.h"

#include <dwarf.h>
#include <elf.h>

#include <cstring>

#include "base/cat.h"

namespace suture::dwarf {

namespace {

Error libelf_error(std::string_view doing) {
  const char *text = ::elf_errmsg(-1);
  return Error::corrupt(cat(doing, ": ", text == nullptr ? "unknown error" : text));
}

Error libdw_error(std::string_view doing) {
  const char *text = ::dwarf_errmsg(-1);
  return Error::corrupt(cat(doing, ": ", text == nullptr ? "unknown error" : text));
}

// The section's bytes as they are, decompressed; writable, for they lie in our copy of the object.
Elf_Data *raw_data(Elf_Scn *section) { return section == nullptr ? nullptr : ::elf_rawdata(section, nullptr); }

std::string_view section_name(Elf *elf, size_t names, const Elf64_Shdr &header) {
  const char *name = ::elf_strptr(elf, names, header.sh_name);
  return name == nullptr ? std::string_view{} : name;
}

// gcc's objects of intermediate code hold the debugging information of their types under names of its own; libdw knows them. The
// name without that prefix, where the object has no other information.
class DebugNames {
 public:
  explicit DebugNames(Elf *elf) : elf_(elf) {
    for (Elf_Scn *section = nullptr; ::elf_getshdrstrndx(elf_, &names_) == 0 && (section = ::elf_nextscn(elf_, section)) != nullptr;)
      if (const Elf64_Shdr *header = ::elf64_getshdr(section)) plain_ |= section_name(elf_, names_, *header) == ".debug_info";
  }
  std::string_view of(const Elf64_Shdr &header) const {
    constexpr std::string_view kPrefix = ".gnu.debuglto_";
    const std::string_view name = section_name(elf_, names_, header);
    return !plain_ && name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
  }

 private:
  Elf *elf_;
  size_t names_ = 0;
  bool plain_ = false;
};

template <typename Record>
bool read_record(const Elf_Data &data, uint64_t index, Record &out) {
  if (index >= data.d_size / sizeof(Record)) return false;
  std::memcpy(&out, static_cast<const char *>(data.d_buf) + index * sizeof(Record), sizeof(Record));
  return true;
}

// Addresses in a relocatable object: the number of the section in the upper bits, counted from 1 so that no address is 0.
constexpr unsigned kSectionShift = 40;

uint64_t section_address(Elf *elf, const Elf64_Sym &symbol) {
  Elf_Scn *section = symbol.st_shndx < SHN_LORESERVE ? ::elf_getscn(elf, symbol.st_shndx) : nullptr;
  const Elf64_Shdr *header = section == nullptr ? nullptr : ::elf64_getshdr(section);
  return header != nullptr && (header->sh_flags & SHF_ALLOC) ? (uint64_t{symbol.st_shndx} + 1) << kSectionShift : 0;
}

// Each debug section of a relocatable object starts at 0: S is the symbol's value. Of what is loaded each section has a range of
// addresses of its own, which only whole addresses have room for.
void apply_one(Elf *elf, const Elf64_Rela &rela, const Elf_Data &symbols, const Elf_Data &target) {
  const uint64_t type = ELF64_R_TYPE(rela.r_info);
  // gcc writes the offset of a thread-local in half of an operand of 8 bytes.
  const bool thread_local_offset = type == R_X86_64_DTPOFF64 || type == R_X86_64_DTPOFF32;
  const size_t width = type == R_X86_64_64 || thread_local_offset         ? 8
                       : type == R_X86_64_32 || type == R_X86_64_32S      ? 4
                                                                          : 0;
  Elf64_Sym symbol;
  if (width == 0 || !read_record(symbols, ELF64_R_SYM(rela.r_info), symbol)) return;
  if (rela.r_offset > target.d_size || target.d_size - rela.r_offset < width) return;
  const uint64_t base = width == 8 ? section_address(elf, symbol) : 0;
  const uint64_t value = base + symbol.st_value + static_cast<uint64_t>(rela.r_addend);
  std::memcpy(static_cast<char *>(target.d_buf) + rela.r_offset, &value, width);  // little-endian, as we are
}

Status apply_all(Elf *elf, const Elf64_Shdr &relocs_header, Elf_Scn *relocs_section, Elf_Scn *target_section) {
  const Elf_Data *relocs = raw_data(relocs_section);
  const Elf_Data *symbols = raw_data(::elf_getscn(elf, relocs_header.sh_link));
  const Elf_Data *target = raw_data(target_section);
  if (relocs == nullptr || symbols == nullptr || target == nullptr) return libelf_error("reading relocations");
  if (target->d_buf == nullptr) return {};
  Elf64_Rela rela;
  for (uint64_t i = 0; read_record(*relocs, i, rela); ++i) apply_one(elf, rela, *symbols, *target);
  return {};
}

}  // namespace

Status Object::prepare_sections() {
  size_t index = 0;
  if (::elf_getshdrstrndx(elf_.get(), &index) != 0) return libelf_error("reading section names");
  const DebugNames names(elf_.get());
  unsigned info_sections = 0;
  bool type_units = false;
  for (Elf_Scn *section = nullptr; (section = ::elf_nextscn(elf_.get(), section)) != nullptr;) {
    const Elf64_Shdr *header = ::elf64_getshdr(section);
    if (header == nullptr) return libelf_error("reading section headers");
    const std::string_view name = names.of(*header);
    if (name == ".debug_info") ++info_sections;
    if (name == ".debug_types") type_units = true;
    if (name == ".zdebug_info") notes_.push_back("its debugging information is compressed in the old GNU form, and was not read");
    if (name.starts_with(".debug_") && (header->sh_flags & SHF_COMPRESSED) && ::elf_compress(section, 0, 0) < 0)
      return libelf_error(cat("decompressing ", name));
  }
  // Each in a COMDAT group of its own; libdw sees only what is in none.
  has_information_ = info_sections > 0;
  if (type_units || info_sections > 1) notes_.push_back("types in type units (-fdebug-types-section) were not compared");
  for (Elf_Scn *section = nullptr; (section = ::elf_nextscn(elf_.get(), section)) != nullptr;) {
    const Elf64_Shdr *header = ::elf64_getshdr(section);
    if (header == nullptr || header->sh_type != SHT_RELA) continue;
    Elf_Scn *target = ::elf_getscn(elf_.get(), header->sh_info);
    const Elf64_Shdr *target_header = target == nullptr ? nullptr : ::elf64_getshdr(target);
    if (target_header == nullptr || !names.of(*target_header).starts_with(".debug_")) continue;
    TRY(apply_all(elf_.get(), *header, section, target));
  }
  return {};
}

void Object::list_units() {
  Dwarf_CU *unit = nullptr;
  Dwarf_Half version = 0;
  uint8_t type = 0;
  Dwarf_Die root;
  bool split = false;
  // No `subdie`: libdw would look for the split file, which by now is the post build's.
  while (::dwarf_get_units(dwarf_.get(), unit, &unit, &version, &type, &root, nullptr) == 0) {
    if (type == DW_UT_skeleton) split = true;
    else if (type == DW_UT_compile || type == DW_UT_partial) units_.push_back(root);
  }
  if (split) notes_.push_back("its debugging information is in a split file (-gsplit-dwarf), and was not read");
}

Result<Object> Object::open(Bytes &bytes) {
  if (::elf_version(EV_CURRENT) == EV_NONE) return libelf_error("starting libelf");
  Object object;
  object.elf_.reset(::elf_memory(reinterpret_cast<char *>(bytes.data()), bytes.size()));
  if (!object.elf_) return libelf_error("reading the object");
  const Elf64_Ehdr *header = ::elf64_getehdr(object.elf_.get());
  if (header == nullptr || header->e_type != ET_REL || header->e_machine != EM_X86_64)
    return Error::corrupt("not a relocatable object for x86-64");
  TRY(object.prepare_sections());
  if (!object.has_information_) return object;
  object.dwarf_.reset(::dwarf_begin_elf(object.elf_.get(), DWARF_C_READ, nullptr));
  if (!object.dwarf_) return libdw_error("opening the debugging information");
  object.list_units();
  return object;
}

std::string Object::declared_at(Dwarf_Off offset) const {
  Dwarf_Die entry;
  int line = 0;
  if (!dwarf_ || ::dwarf_offdie(dwarf_.get(), offset, &entry) == nullptr) return {};
  const char *file = ::dwarf_decl_file(&entry);
  if (file == nullptr || ::dwarf_decl_line(&entry, &line) != 0) return {};
  return cat(file, ":", line);
}

std::string_view name_of(Dwarf_Die entry) {
  const char *name = ::dwarf_diename(&entry);
  return name == nullptr ? std::string_view{} : name;
}

std::string_view linkage_name_of(Dwarf_Die entry) {
  Dwarf_Attribute attribute;
  for (const unsigned which : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name})
    if (::dwarf_attr_integrate(&entry, which, &attribute) != nullptr)
      if (const char *name = ::dwarf_formstring(&attribute)) return name;
  return name_of(entry);
}

bool has(Dwarf_Die entry, unsigned attribute) { return ::dwarf_hasattr(&entry, attribute) == 1; }

bool is_set(Dwarf_Die entry, unsigned which) {
  Dwarf_Attribute attribute;
  bool value = false;
  return ::dwarf_attr_integrate(&entry, which, &attribute) != nullptr && ::dwarf_formflag(&attribute, &value) == 0 && value;
}

std::optional<uint64_t> number(Dwarf_Die entry, unsigned which) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (::dwarf_attr(&entry, which, &attribute) == nullptr || ::dwarf_formudata(&attribute, &value) != 0) return std::nullopt;
  return value;
}

std::optional<int64_t> constant_value(Dwarf_Die entry) {
  Dwarf_Attribute attribute;
  if (::dwarf_attr(&entry, DW_AT_const_value, &attribute) == nullptr) return std::nullopt;
  const unsigned form = ::dwarf_whatform(&attribute);
  if (form == DW_FORM_sdata || form == DW_FORM_implicit_const) {
    Dwarf_Sword value = 0;
    if (::dwarf_formsdata(&attribute, &value) == 0) return value;
    return std::nullopt;
  }
  Dwarf_Word value = 0;
  if (::dwarf_formudata(&attribute, &value) == 0) return static_cast<int64_t>(value);
  return std::nullopt;
}

std::optional<Dwarf_Die> reference(Dwarf_Die entry, unsigned which) {
  Dwarf_Attribute attribute;
  Dwarf_Die target;
  if (::dwarf_attr_integrate(&entry, which, &attribute) == nullptr || ::dwarf_formref_die(&attribute, &target) == nullptr)
    return std::nullopt;
  return target;
}

std::optional<Dwarf_Die> first_child(Dwarf_Die entry) {
  Dwarf_Die child;
  if (::dwarf_child(&entry, &child) != 0) return std::nullopt;
  return child;
}

std::optional<Dwarf_Die> sibling(Dwarf_Die entry) {
  Dwarf_Die next;
  if (::dwarf_siblingof(&entry, &next) != 0) return std::nullopt;
  return next;
}

Location location(Dwarf_Die entry, unsigned which) {
  Dwarf_Attribute attribute;
  if (::dwarf_attr(&entry, which, &attribute) == nullptr) return {};
  Dwarf_Word value = 0;
  if (::dwarf_formudata(&attribute, &value) == 0) return {value, {}};
  Dwarf_Op *operations = nullptr;
  size_t count = 0;
  if (::dwarf_getlocation(&attribute, &operations, &count) != 0) return {};
  const auto is_constant = [](const Dwarf_Op &op) { return op.atom == DW_OP_plus_uconst || op.atom == DW_OP_constu; };
  if (count == 1 && is_constant(operations[0])) return {operations[0].number, {}};
  std::string text;
  for (size_t i = 0; i < count; ++i) text += cat(operations[i].atom, " ", operations[i].number, " ", operations[i].number2, ";");
  return {std::nullopt, text};
}

std::optional<Address> address(Dwarf_Die variable) {
  Dwarf_Attribute attribute;
  Dwarf_Op *operations = nullptr;
  size_t count = 0;
  if (::dwarf_attr(&variable, DW_AT_location, &attribute) == nullptr || ::dwarf_getlocation(&attribute, &operations, &count) != 0 || count == 0)
    return std::nullopt;
  uint64_t value = operations[0].number;
  if (operations[0].atom == DW_OP_addrx || operations[0].atom == DW_OP_GNU_addr_index || operations[0].atom == DW_OP_constx) {
    Dwarf_Attribute resolved;
    Dwarf_Addr indexed = 0;
    if (::dwarf_getlocation_attr(&attribute, operations, &resolved) != 0 || ::dwarf_formaddr(&resolved, &indexed) != 0) return std::nullopt;
    value = indexed;
  } else if (operations[0].atom != DW_OP_addr && operations[0].atom != DW_OP_const8u) {
    return std::nullopt;
  }
  if (value >> kSectionShift == 0) return std::nullopt;
  return Address{static_cast<uint32_t>((value >> kSectionShift) - 1), value & ((uint64_t{1} << kSectionShift) - 1)};
}

}  // namespace suture::dwarf
