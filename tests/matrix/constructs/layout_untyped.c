// No variable and no type leads to it, but it comes back from memory without a type.
// matrix-refused: layout untyped: .*objects of it may be alive: untyped_use has a pointer without a type in hand
// matrix-not: lto thinlto
#include <stdlib.h>

#include "construct.h"

struct untyped {
  long values[4];
#ifdef FIXED
  long limit;
#endif
};
static void *kept_untyped;

NOINLINE static int untyped_use(void *object) {
  struct untyped *known = object;
#ifdef FIXED
  if (known->limit > 3) return -1;
#endif
  return (int)++known->values[0];
}

int check_layout_untyped(int fixed) {
  static int rounds;
  if (kept_untyped == NULL) kept_untyped = calloc(1, sizeof(struct untyped));
  EXPECT(untyped_use(kept_untyped) == ++rounds);
  return 1;
}
