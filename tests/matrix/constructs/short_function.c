// matrix-refused: function shorter_than_a_jump has . bytes at its entry
// matrix-only: gcc
// matrix-not: gcc-O0-pie gcc-O0-exec gcc-O0-shared cet lto gcc-O2-patchable
#include "construct.h"

// Nothing pads functions in a section of their own.
__attribute__((section("matrix_short"))) NOINLINE int shorter_than_a_jump(int x) {
#ifdef FIXED
  return x + 22;
#else
  return x + 11;
#endif
}

int check_short_function(int fixed) {
  EXPECT(shorter_than_a_jump(1) == 12);
  return 1;
}
