// Whether a process can be a target at all, asked before anything is touched. Each refusal is one sentence that says
// what is in the way.
#pragma once

#include <vector>

#include "process/process.h"

namespace suture {

// Already traced, exiting, frozen (cgroup v1 and v2), shadow stacks.
Status check_can_be_patched(const Process &process);
// Other processes that run in the same memory (CLONE_VM without CLONE_THREAD).
Result<std::vector<Process>> find_memory_sharers(const Process &process);

}  // namespace suture
