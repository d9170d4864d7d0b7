// System calls that answer -EINTR to a mere stop. The kernel restarts most interrupted calls by itself (-ERESTART...),
// but these return EINTR although no signal handler runs, which programs that install no handlers never expect.
#pragma once

#include "process/tracee.h"

namespace suture {

// When the stopped thread's registers show such a call, makes the kernel restart it: rax = -ERESTARTNOHAND, which
// still becomes EINTR if a signal handler does run. Returns whether `registers` was changed.
bool hide_interruption(Registers &registers);
// True when the thread is inside a system call that was interrupted and will be restarted on resume.
bool restarts_call(const Registers &registers);
// It will wait for the rest of its time only (nanosleep and the like). How much that is the kernel keeps aside, and forgets
// at the next rt_sigreturn of the thread: the call would then return EINTR.
bool restarts_with_time_left(const Registers &registers);
// After an rt_sigreturn: makes such a call begin anew instead, unless a handler runs.
void restart_anew(Registers &registers);

}  // namespace suture
