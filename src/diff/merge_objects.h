// Several objects as one: the partitions that link-time optimisation makes of a program. Which functions share a partition, and which
// local names had to become visible to another one, is the compiler's choice of the day and not the program's: as one object, the
// build before a fix and the build after it can be compared.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/object_graph.h"

namespace suture {

// References between the objects to what no other module can see become references to local symbols.
ObjectGraph merge_objects(const std::vector<std::shared_ptr<const ObjectGraph>> &objects, std::string path);

}  // namespace suture
