// matrix-refused: constructor
// matrix-only: gcc
#include "construct.h"

static int ready;
__attribute__((constructor)) static void prepare(void) {
#ifdef FIXED
  ready = 2;
#else
  ready = 1;
#endif
}

int check_new_constructor(int fixed) {
  EXPECT(ready != 0);
  return 1;
}
