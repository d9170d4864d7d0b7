// The static report of what a fix changes in types and signatures, from the debugging information of the objects that it
// changes: live objects of a type keep the layout that they were made with, and code that is not replaced keeps calling as
// it was compiled to. Objects are those of the package's own build, but libdw has had memory-safety bugs, so each pair is
// read in a contained process (package/contained.h).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace suture {

struct ChangedObject {
  std::string name;  // "src/rdb.o", for messages
  std::filesystem::path pre, post;
};

struct LayoutChange {
  std::string keyword;      // "struct", "class", "union", "enum", "enumerator" (of an unnamed enum), "variable", "object", "local"
  std::string type;         // qualified, without keyword; of an object that could not be read, its name
  std::string detail;       // "struct client: size 712 -> 720 bytes; field foo new at 704; ..."
  std::string declared_at;  // "src/server.h:1100"; empty when not recorded
  std::vector<std::string> objects;
  std::string function = {};  // of types local to one: as the linker knows it
};

struct SignatureChange {
  std::string function;     // as the linker knows it
  std::string detail;
  bool external = false;    // visible outside of its object
  std::string object;
};

struct TypeReport {
  std::vector<LayoutChange> layouts;
  std::vector<SignatureChange> signatures;
  std::vector<std::string> notes;  // what was not compared, and changes that break nothing by themselves
};

// Every change once, however many objects show it. An object whose debugging information is unreadable is reported as a
// layout change of its own: nothing can be said about the types in it. One that has none is only noted.
Result<TypeReport> compare_types(const std::vector<ChangedObject> &changed_objects);

}  // namespace suture
