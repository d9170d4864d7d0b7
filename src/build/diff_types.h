// What differs between the types and functions of two builds of one object, as far as live data and code that is not
// replaced depend on it. Knows nothing of where the tables come from.
#pragma once

#include <string>
#include <vector>

#include "build/type_table.h"

namespace suture {

struct ShapeChange {
  std::string keyword;  // "struct", "class", "union", "enum", "enumerator", "variable"
  std::string name;
  std::string detail;   // "size 712 -> 720 bytes; field foo new at 704"
  uint64_t entry = 0;   // TypeShape::entry in the post build
  std::string function = {};  // TypeShape::function
};

struct CallChange {
  std::string function;
  std::string detail;   // "3 parameters instead of 2; was int (int, long), is int (int, long, char *)"
  bool external = false;
};

struct TableDifference {
  std::vector<ShapeChange> layouts;
  std::vector<CallChange> signatures;
  std::vector<std::string> notes;  // changes that break nothing by themselves: a renamed field, a removed enumerator
};

TableDifference diff_types(const TypeTable &pre, const TypeTable &post);

}  // namespace suture
