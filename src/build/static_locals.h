// Which function each static local of an object belongs to, from its debugging information: compilers number those of one
// name (n.0, n.1), and the numbers move with unrelated edits.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "model/object_graph.h"

namespace suture {

// Fills ObjectSection::owner of variables and constants in `graph`, which was read from the object at `path`. Costs nothing where
// none has a numbered name. libdw reads the object in a contained process; what cannot be read stays unknown.
Status find_owners(const std::filesystem::path &path, ObjectGraph &graph);

}  // namespace suture
