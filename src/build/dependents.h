// Many builds do not know what their sources include: Debian's turn automake's tracking of it off, as they are made once. A fix of a header
// then compiles nothing but the sources that changed themselves. What the compilers read is in their records, so the sources of all that
// read a file which moved are made look as new as it is.
#pragma once

#include "base/result.h"
#include "build/moved_tree.h"
#include "build/record.h"

namespace suture {

// Sources outside of the tree are left alone.
Status touch_dependents(const Records &built, const MovedTree &tree);

}  // namespace suture
