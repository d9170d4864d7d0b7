// New code that leaves a function of its own to be called when the program ends, which is after the revert.
// atexit is in the static part of the C library; of these linkers it is not known what they take from there, and applying is refused.
// matrix-not: -fuse-ld=gold -fuse-ld=lld
#include <stdlib.h>

#include "construct.h"

static int at_exit_left;

#ifdef FIXED
static void at_exit_new(void) {
  volatile char room[64] = {0};
  room[at_exit_left % 64] = 1;
}
#endif

NOINLINE int leaves_at_exit(int x) {
#ifdef FIXED
  if (at_exit_left++ == 0) return atexit(at_exit_new) + x + 1;
  return x + 1;
#else
  return x + 2 + at_exit_left;
#endif
}

int check_new_at_exit(int fixed) {
  if (!fixed) at_exit_left = 0;
  EXPECT(leaves_at_exit(5) == (fixed ? 6 : 7));
  return 1;
}
