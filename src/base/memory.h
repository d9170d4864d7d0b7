// The tool's own memory.
#pragma once

namespace suture {

// Gives what was freed back to the system. The allocator keeps the pages of small blocks for later ones, so that a phase which
// needs other blocks than the one before it would hold the memory of both.
void give_back_free_memory();

}  // namespace suture
