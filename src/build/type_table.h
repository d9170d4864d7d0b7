// The types and functions of one object as far as running code and live data depend on them: sizes, offsets and ways of
// passing, without what only the source knows (lines, comments, cv-qualifiers, names of parameters).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace suture {

// A type at a place where it is used: a member, a parameter, a variable.
struct TypeUse {
  uint64_t size_bytes = 0;
  // How the bytes are read: "i4" integer, enumeration or bool; "f8"; "p8" pointer; "{name}" aggregate; "[4]i2" array.
  std::string layout;
  // For pointers: the layout of what they point to, or "fn(...)" with a function's way of being called. Empty when the
  // pointer says nothing about it (void, characters).
  std::string pointee;
  std::string text;   // as in the source: "struct foo *"
};

// A member, with those of unnamed aggregates within taken as the outer type's own: "u.x", "slots[].flags".
struct TypeMember {
  std::string path;
  uint64_t bit_offset = 0;
  uint64_t bit_size = 0;         // 0: not a bit-field
  std::string computed_offset;   // of a virtual base: an expression instead of an offset
  bool in_union = false;         // shares its bytes with others
  TypeUse type;
};

struct VirtualFunction {
  std::string name;
  uint64_t slot = 0;
};

struct TypeShape {
  std::string keyword;           // "struct", "class", "union", "enum", "local" (to a function of C++: closures and classes)
  std::string name;              // qualified; of an unnamed type its typedef's or its variable's
  uint64_t size_bytes = 0;
  std::vector<TypeMember> members;
  std::vector<VirtualFunction> virtual_functions;
  std::vector<std::pair<std::string, int64_t>> enumerators;
  uint64_t entry = 0;            // in the debugging information, to find where it is declared
  std::string function;          // of a local type: the function, as the linker knows it
};

struct Parameter {
  std::string passed;            // how the ABI passes it: "i4", "f8", "m24" (memory), "s:if" (registers)
  std::string layout;
  std::string text;
};

struct FunctionShape {
  std::string name;              // as the linker knows it
  Parameter result;              // `passed` empty for void
  std::vector<Parameter> parameters;
  bool variadic = false;
  bool external = false;
};

struct TypeTable {
  // Several shapes of one name are there when unnamed scopes hide what tells them apart.
  std::map<std::string, std::vector<TypeShape>> types;
  std::map<std::string, FunctionShape> functions;          // those with code here
  std::map<std::string, TypeUse> variables;                // at file or namespace scope, defined here
};

}  // namespace suture
