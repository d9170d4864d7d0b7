// Fault points: places where the fault-injection tests kill or fail the tool. Compiled in only with SUTURE_FAULT_POINTS
// (never in a release build). SUTURE_FAULT=name[:n] raises SIGKILL at the n-th passage (from 1) of the point `name`;
// SUTURE_FAULT_TRACE=FILE appends the name of every point passed, which is how the tests list them.
#pragma once

namespace suture {

#ifdef SUTURE_FAULT_POINTS
void fault_point(const char *name);
#else
inline void fault_point(const char * /*name*/) {}
#endif

}  // namespace suture
