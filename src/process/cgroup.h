// What control groups have to say about a process, v1 and v2, wherever they are mounted: frozen, or short of memory. A
// hierarchy that is not mounted where we run cannot be asked and says nothing.
#pragma once

#include <string>
#include <string_view>

#include "process/process.h"

namespace suture {

// Refused when the process is frozen, or about to be: it would not run a borrowed call, and a v1 group not even stop.
Status check_not_frozen(const Process &process);
// Refused when the memory group (or one above it) has less than `bytes` left.
Status check_memory_headroom(const Process &process, uint64_t bytes);

// Where the hierarchy of `controller` ("" for v2) shows the group at `path`, by the text of /proc/self/mountinfo; empty when
// it does not.
std::string cgroup_folder(std::string_view mountinfo, std::string_view controller, std::string_view path);

}  // namespace suture
