// Functions as short as the redirect or shorter, and many that look alike: the patch changes one of them.
// matrix-not: gcc-O2-gold-icf
#include "construct.h"

NOINLINE int tiny_one(void) {
#ifdef FIXED
  return 5;
#else
  return 1;
#endif
}
NOINLINE int tiny_other(void) { return 1; }
NOINLINE int tiny_third(void) { return 1; }
static NOINLINE int tiny_static(int x) { return x + 1; }
static NOINLINE int tiny_static_two(int x) { return x + 1; }

NOINLINE int users_of_tiny(int x) {
#ifdef FIXED
  return tiny_static(x) * 2 + tiny_static_two(x);
#else
  return tiny_static(x) + tiny_static_two(x);
#endif
}

int check_tiny_functions(int fixed) {
  EXPECT(tiny_one() == (fixed ? 5 : 1));
  EXPECT(tiny_other() == 1);
  EXPECT(tiny_third() == 1);
  EXPECT(users_of_tiny(3) == (fixed ? 12 : 8));
  return 1;
}
