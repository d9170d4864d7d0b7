// Code of types that are local to a function of C++: closures and local classes. Such an object may be stored
// (std::function, a thread's start, a list of callbacks) and leads to its code by an address, long after the function
// that made it returned. When what it holds changes, replaced code would misread the objects that exist.
#pragma once

#include <string>

#include "diff/make_patch.h"

namespace suture {

// A replaced function that belongs to a type local to `function` (the linker's name of it; empty when not known: to any
// function) and that code or data which exists before the patch leads to. Empty when there is none: then objects that
// exist keep the code that was made with them.
std::string reached_local_code(const DiffInput &input, const std::string &function);

}  // namespace suture
