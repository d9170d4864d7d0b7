// Another signature of a function whose address the running program holds: it would be called with the old parameters.
// matrix-refused: signature held_with: 2 parameters instead of 1.*its address is in
// matrix-not: lto thinlto
#include "construct.h"

#ifdef FIXED
NOINLINE static int held_with(int x, int most) { return x > most ? most : x; }
#else
NOINLINE static int held_with(int x) { return x; }
#endif
static int (*volatile held_with_table[1])(int) = {(int (*)(int))held_with};

int check_signature_of_held(int fixed) {
  EXPECT(held_with_table[0](4) == 4 || fixed);
  return 1;
}
