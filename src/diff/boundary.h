// Which functions can be called by code that the patch does not bring along: a change of how they are called is then a
// change across the boundary of the patch. Direct calls within the image do not count: their code was compiled with the
// same declaration, so it changed as well or calls alike.
#pragma once

#include <string>

#include "diff/make_patch.h"

namespace suture {

// How such code reaches `function`, which `object` (by its path) defines in the post build: "other modules may call it (it
// is exported)", "its address is in table_of_commands, which the patch does not replace", "it is called by f (g.o), ...". Empty
// when there is no way.
std::string reached_from_outside(const DiffInput &input, const std::string &object, const std::string &function);

}  // namespace suture
