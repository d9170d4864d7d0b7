// The patch's .eh_frame: the entries of its functions, equal CIEs once, ended by a zero word.
#pragma once

#include "model/patch_object.h"

namespace suture {

struct UnwindTable {
  Bytes bytes;
  std::vector<PatchEdge> edges;  // offsets from the start of the table
};

UnwindTable build_unwind_table(const std::vector<PatchUnwind> &entries);

}  // namespace suture
