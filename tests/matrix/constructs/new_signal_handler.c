// New code that installs a function of its own as a signal handler: the kernel alone holds its address, and calls it after the revert, too.
#include <signal.h>

#include "construct.h"

static volatile sig_atomic_t handled_new, handler_set;

#ifdef FIXED
static void on_signal_new(int number) { handled_new += number; }
#endif

NOINLINE int prepares_for_signal(int number) {
#ifdef FIXED
  if (!handler_set) signal(number, on_signal_new);
  handler_set = 1;
  return raise(number) + handled_new;
#else
  if (handler_set) raise(number);
  return number + 1;
#endif
}

int check_new_signal_handler(int fixed) {
  const int before = handled_new;
  const int result = prepares_for_signal(SIGUSR2);
  if (fixed) EXPECT(result == before + SIGUSR2);
  if (!fixed) EXPECT(result == SIGUSR2 + 1);
  EXPECT(!handler_set || handled_new == before + SIGUSR2);
  return 1;
}
