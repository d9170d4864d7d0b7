// A changed function that the linker drops, since nobody calls it: the image has no such code, and the rest of the fix is made.
// matrix-only: gcc-O2-sections
#include "construct.h"

int dropped_by_linker_state = 1;

int dropped_by_linker(int x) {
#ifdef FIXED
  return x * 31 + dropped_by_linker_state++;
#else
  return x * 29 - dropped_by_linker_state--;
#endif
}

NOINLINE static int kept_by_linker(int x) {
#ifdef FIXED
  return x + 2 * dropped_by_linker_state;
#else
  return x + dropped_by_linker_state;
#endif
}

int check_dropped_by_linker(int fixed) {
  EXPECT(kept_by_linker(1) == (fixed ? 3 : 2));
  return 1;
}
