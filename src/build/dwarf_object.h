// The debugging information of one relocatable object, from bytes in memory: libdw with the object's relocations applied
// to its debug sections, and the few questions that we ask of an entry. libdw has had memory-safety bugs, so all of this
// runs in a contained process (dwarf_types.cc), where nothing may make a system call but for memory.
#pragma once

#include <elfutils/libdw.h>
#include <libelf.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace suture::dwarf {

class Object {
 public:
  // `bytes` are changed (relocated in place) and must outlive the Object.
  static Result<Object> open(Bytes &bytes);

  // Root entries of the compilation units that are here in full; none when the object has no debugging information.
  const std::vector<Dwarf_Die> &units() const { return units_; }
  // What keeps parts of the information from being seen ("split debug information").
  const std::vector<std::string> &notes() const { return notes_; }
  // "src/server.h:1100"; empty when not recorded.
  std::string declared_at(Dwarf_Off entry) const;

 private:
  struct EndElf {
    void operator()(Elf *elf) const { ::elf_end(elf); }
  };
  struct EndDwarf {
    void operator()(Dwarf *dwarf) const { ::dwarf_end(dwarf); }
  };

  Status prepare_sections();
  void list_units();

  std::unique_ptr<Elf, EndElf> elf_;
  std::unique_ptr<Dwarf, EndDwarf> dwarf_;  // after elf_: ended first
  std::vector<Dwarf_Die> units_;
  std::vector<std::string> notes_;
  bool has_information_ = false;
};

// Questions to one entry. "Inherited" ones look through DW_AT_specification and DW_AT_abstract_origin.
std::string_view name_of(Dwarf_Die entry);            // inherited; empty when it has none
std::string_view linkage_name_of(Dwarf_Die entry);    // inherited; the plain name when the language mangles none
bool has(Dwarf_Die entry, unsigned attribute);
bool is_set(Dwarf_Die entry, unsigned attribute);     // inherited flag
std::optional<uint64_t> number(Dwarf_Die entry, unsigned attribute);
// An enumerator's value. Fixed-size forms are unsigned: the compilers write negative values in signed forms only.
std::optional<int64_t> constant_value(Dwarf_Die entry);
std::optional<Dwarf_Die> reference(Dwarf_Die entry, unsigned attribute);  // inherited
std::optional<Dwarf_Die> first_child(Dwarf_Die entry);
std::optional<Dwarf_Die> sibling(Dwarf_Die entry);
// A single constant operand (DW_OP_plus_uconst 8, DW_OP_constu 3); else the operations as text.
struct Location {
  std::optional<uint64_t> constant;
  std::string operations;
};
Location location(Dwarf_Die entry, unsigned attribute);
// Where a variable with a fixed address, or a fixed place in each thread's data, lies in the object.
struct Address {
  uint32_t section = 0;
  uint64_t offset = 0;
};
std::optional<Address> address(Dwarf_Die variable);

}  // namespace suture::dwarf
