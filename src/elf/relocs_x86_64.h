// R_X86_64_* <-> neutral edge and dynamic relocation kinds (System V psABI, x86-64, table 4.9). Nothing else.
#pragma once

#include <cstdint>

#include "model/image.h"
#include "model/object_graph.h"

namespace suture {

EdgeKind edge_kind_x86_64(uint32_t type);
DynamicReloc::Kind dynamic_kind_x86_64(uint32_t type);

}  // namespace suture
