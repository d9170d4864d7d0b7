// A function too short for a jump: those that call it are replaced, and those that call these where they are short, too.
#include "construct.h"

// Nothing pads functions in a section of their own.
#define SHORT __attribute__((section("matrix_short"), visibility("hidden"))) NOINLINE

SHORT int shorter_than_a_jump(int x) {
#ifdef FIXED
  return x + 22;
#else
  return x + 11;
#endif
}
SHORT int as_short_beside(int x) { return x + 3; }

NOINLINE static int calls_the_short(int x) { return shorter_than_a_jump(x) * 3 + as_short_beside(x); }
NOINLINE static int calls_it_too(int x) { return shorter_than_a_jump(x) * 5; }

int check_short_function(int fixed) {
  EXPECT(shorter_than_a_jump(1) == (fixed ? 23 : 12));
  EXPECT(calls_the_short(1) == (fixed ? 73 : 40));
  EXPECT(calls_it_too(1) == (fixed ? 115 : 60));
  EXPECT(as_short_beside(1) == 4);
  return 1;
}
