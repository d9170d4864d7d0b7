// Mapping and unmapping in the target, through a borrowed thread: never writable and executable at once, never mprotect
// (a process may forbid both), named "suture:ID" in its memory map.
#pragma once

#include "apply/region.h"
#include "process/borrowed_thread.h"

namespace suture {

// How a region gets its name in /proc/PID/maps.
enum class Naming {
  automatic,    // the kernel's names for anonymous memory, else a memory file
  vma_name,     // PR_SET_VMA_ANON_NAME
  memory_file,  // a private mapping of a memfd of that name; also used when the kernel has no names
};

// The region's name there.
std::string region_name(const Unit &unit);
// The open descriptors of the process, ascending.
Result<std::vector<int64_t>> list_descriptors(const Process &process);
// That descriptor of the process, opened; closed when it is no memory file of ours.
Fd open_memory_file(const Process &process, int64_t fd);

// Maps the unit's code and data and fills them. On failure nothing of it is left.
Status map_unit(const Process &process, BorrowedThread &thread, const Unit &unit, Naming naming);
Status unmap_range(BorrowedThread &thread, RunRange range);
// Writes to the target through its memory descriptor, or through the tracee where that is not allowed.
Status write_or_poke(const Process &process, BorrowedThread &thread, RunAddr at, ByteView bytes);
// Closes memory files of ours that a killed run left open in the target.
Status close_left_files(const Process &process, BorrowedThread &thread);
bool has_left_files(const Process &process);

}  // namespace suture
