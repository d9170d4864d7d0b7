// The part of a TypeGraph that one object's debugging information tells.
#pragma once

#include "build/dwarf_object.h"
#include "build/type_graph.h"

namespace suture::dwarf {

Result<TypeGraph> list_type_graph(const Object &object);

}  // namespace suture::dwarf
