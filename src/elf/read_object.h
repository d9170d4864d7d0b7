// ELF relocatable file -> ObjectGraph.
#pragma once

#include "base/result.h"
#include "model/object_graph.h"

namespace suture {

Result<ObjectGraph> read_elf_object(ByteView bytes, std::string path);

}  // namespace suture
