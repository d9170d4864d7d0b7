// What a type entry means where it is used: its size, the reading of its bytes, and how the x86-64 ABI passes it.
#pragma once

#include <string>
#include <unordered_map>

#include "build/dwarf_object.h"
#include "build/type_table.h"

namespace suture::dwarf {

// Limits against entries that refer to themselves.
inline constexpr unsigned kMaxTypeDepth = 64;

class TypeUses {
 public:
  // Gives an aggregate or enumeration the name under which it is compared: qualified, or its typedef's.
  void set_name(Dwarf_Off entry, std::string name) { names_.insert_or_assign(entry, std::move(name)); }
  // Empty when it has none: then its members are its user's.
  std::string name(Dwarf_Die aggregate) const;

  // The use of what `entry`'s DW_AT_type refers to; void when it has none.
  TypeUse of_entry(Dwarf_Die entry) { return use(reference_type(entry), 0); }
  // How a parameter or result of that type is passed.
  Parameter passed(Dwarf_Die entry);
  // "fn(i4,p8)i4" of a subprogram or subroutine type.
  std::string calling(Dwarf_Die function, unsigned depth);

  static std::optional<Dwarf_Die> reference_type(Dwarf_Die entry);
  // Behind typedefs and qualifiers; nullopt for void.
  static std::optional<Dwarf_Die> stripped(std::optional<Dwarf_Die> type);
  static bool is_aggregate(Dwarf_Die type);

 private:
  TypeUse use(std::optional<Dwarf_Die> type, unsigned depth);
  TypeUse make(Dwarf_Die type, unsigned depth);
  TypeUse array(Dwarf_Die type, unsigned depth);
  TypeUse pointer(Dwarf_Die type, unsigned depth);
  std::string prototype(Dwarf_Die function, unsigned depth);
  std::string pointee(std::optional<Dwarf_Die> target, unsigned depth);
  bool add_classes(std::optional<Dwarf_Die> type, uint64_t at, std::string &classes, unsigned depth);
  bool add_member_classes(Dwarf_Die aggregate, uint64_t at, std::string &classes, unsigned depth);
  std::string passing(std::optional<Dwarf_Die> type, unsigned depth);

  std::unordered_map<Dwarf_Off, std::string> names_;
  std::unordered_map<Dwarf_Off, TypeUse> known_;
};

}  // namespace suture::dwarf
