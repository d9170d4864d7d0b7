// A static local that goes, and one of its name that comes in another function: the running program's value is not taken for the new
// one's in silence.
// matrix-refused: renamed
// What the link makes of intermediate code has its debugging information elsewhere.
// matrix-not: lto clang-O2-thinlto
#include "construct.h"

NOINLINE static int counted_here(int by) {
#ifdef FIXED
  return by + 1;
#else
  static int counted = 7;
  return counted += by;
#endif
}

NOINLINE static int counted_there(int by) {
#ifdef FIXED
  static int counted = 7;
  return counted += by;
#else
  return by + 2;
#endif
}

int check_static_local_of_another_function(int fixed) {
  static volatile int nothing;
  return counted_here(nothing) == (fixed ? 1 : 7) && counted_there(nothing) == (fixed ? 7 : 2);
}
