// Another signature is no danger where all callers come along: they are replaced in the same instant.
#include "construct.h"

#ifdef FIXED
NOINLINE static int within(int x, int most) { return x > most ? most : x; }
NOINLINE static int through(int x) { return within(x, 9) + 1; }
#else
NOINLINE static int within(int x) { return x; }
NOINLINE static int through(int x) { return within(x) + 1; }
#endif

int check_signature_within(int fixed) {
  EXPECT(through(4) == 5);
  EXPECT(through(12) == (fixed ? 10 : 13));
  return 1;
}
