// matrix-refused: identical code folding
// matrix-only: gcc-O2-gold-icf
#include "construct.h"

NOINLINE int folded_one(void) {
#ifdef FIXED
  return 5;
#else
  return 1;
#endif
}
NOINLINE int folded_other(void) { return 1; }

int check_folded_code(int fixed) {
  EXPECT(folded_one() == 1 && folded_other() == 1);
  return 1;
}
