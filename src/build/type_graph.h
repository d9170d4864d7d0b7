// How the types, variables and functions of one image hang together, from the debugging information of all its objects:
// which type holds or points to which, and what each function can have in hand. Tells where objects of a type can live.
// Read only when a fix changes a layout, for it takes every object and not just the changed ones.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace suture {

// Types that something holds by value or reaches through a pointer, by name.
struct TypeMentions {
  std::set<std::string> values;
  std::set<std::string> pointers;
  bool untyped = false;  // a pointer behind which anything may be: to void, characters or another pointer, or uintptr_t
  bool raw = false;      // an array of characters by value: memory in which anything may be
};

struct TypeNode {
  uint64_t size_bytes = 0;
  TypeMentions members;
  std::set<uint32_t> objects;  // that know the type in full
};

struct VariableNode {
  std::string name;
  uint32_t object = 0;
  TypeMentions type;
};

// A function with code, with all that is inlined into it.
struct FunctionNode {
  std::string name;  // as the linker knows it
  uint32_t object = 0;
  TypeMentions parameters;
  TypeMentions locals;
  TypeMentions result;
};

// How a function that is called is declared.
struct CalleeNode {
  bool gives_pointer = false;  // as its result, or through a pointer to a pointer
};

struct TypeGraph {
  std::map<std::string, TypeNode> types;
  std::vector<VariableNode> variables;
  std::vector<FunctionNode> functions;
  std::map<std::string, CalleeNode> callees;
  std::vector<std::string> unread;  // objects that have no debugging information, or none that can be read
};

struct GraphedObject {
  std::string name;
  std::filesystem::path path;
};

// Object numbers are places in the list. libdw reads each object in a contained process.
Result<TypeGraph> read_type_graph(const std::vector<GraphedObject> &objects);

}  // namespace suture
