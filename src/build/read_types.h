// Reads the TypeTable of an object from its debugging information. Types local to a function of C are left out: their values
// live no longer than a call, and no call of a replaced function is in progress when a patch takes effect. Those of C++ are
// read: a closure that was stored leads to its code for as long as it is kept.
#pragma once

#include "base/result.h"
#include "build/dwarf_object.h"
#include "build/type_table.h"
#include "build/type_use.h"

namespace suture::dwarf {

// The entries that matter, outside of functions, and the names that types go by.
struct TypeEntries {
  TypeUses uses;
  std::vector<Dwarf_Die> types, variables, functions;
};
Result<TypeEntries> list_types(const Object &object);

Result<TypeTable> read_types(const Object &object);

}  // namespace suture::dwarf
