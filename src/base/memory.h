// The tool's own memory.
#pragma once

namespace suture {

// Gives what was freed back to the system. The allocator keeps the pages of small blocks for later ones, so that a phase which
// needs other blocks than the one before it would hold the memory of both.
void give_back_free_memory();

// From now on, large blocks go back to the system as soon as they are freed, rather than once as much lies at the end of the heap: for
// work in phases that each need much. Each costs its page faults again.
void give_back_large_blocks();

}  // namespace suture
