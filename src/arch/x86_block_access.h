// Accesses to thread-local variables that are kept in a block of the patch's own (x86_thread_block.h): each instruction is led to
// a stub that does the same with the place in the block. General-dynamic accesses are calls already and call a stub.
#pragma once

#include "arch/arch.h"

namespace suture::x86 {

std::optional<BlockAccess> block_access(ByteView code, uint32_t field_at, EdgeKind access, int64_t offset);

}  // namespace suture::x86
