// Whether anything in a process may still lead into memory of a patch that no thread is in: the process's data, also where the C
// library keeps addresses in another form, and the kernel. What other files hold (a device, an event queue) is not seen.
#pragma once

#include "apply/leave_memory.h"
#include "apply/session.h"

namespace suture {

// `threads`: of the stop in which nobody was in it.
Result<bool> something_points_into(Session &session, const Transaction &transaction, const SeenThreads &threads);

}  // namespace suture
