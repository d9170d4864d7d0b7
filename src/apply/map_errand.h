// Mapping a patch by errands (process/errand.h): the target's thread is stopped twice, each time for hardly longer than
// any stop takes, and everything in between happens while it runs.
#pragma once

#include "apply/region.h"
#include "apply/session.h"

namespace suture {

// Maps the unit's code and data, from one memory file, and fills them. False when it does not work this way (a confined
// or stopped process, no suitable thread, no memory files, a limit): nothing of it is left, and a borrowed thread can
// try, or find out why not. Mostly also learns whether the process may read the time stamp counter.
Result<bool> map_unit_by_errands(Session &session, Unit &unit);

}  // namespace suture
