// Functions within functions (a GNU extension), with and without their address taken; statement expressions.
// matrix-only: gcc
#include "construct.h"

NOINLINE static int apply_twice(int (*f)(int), int x) { return f(f(x)); }

NOINLINE int with_nested(int x) {
  int factor = x;
  NOINLINE int inner(int y) {
#ifdef FIXED
    return y * factor + 1;
#else
    return y * factor;
#endif
  }
  return inner(2) + ({ int t = inner(3); t * 2; });
}

NOINLINE int with_trampoline(int x) {
  int calls = 0;
  int step(int y) {
    ++calls;
#ifdef FIXED
    return y + x + 10;
#else
    return y + x;
#endif
  }
  return apply_twice(step, 1) * 10 + calls;
}

int check_nested_functions(int fixed) {
  EXPECT(with_nested(5) == (fixed ? 11 + 32 : 10 + 30));
  EXPECT(with_trampoline(4) == (fixed ? 292 : 92));
  return 1;
}
