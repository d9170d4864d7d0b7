// A field that goes into padding is told as such.
// matrix-refused: layout padded: .*field limit \(int\) new at 12; same size, it uses former padding
#include <stdlib.h>

#include "construct.h"

struct padded {
  long value;
  int count;
#ifdef FIXED
  int limit;
#endif
};
static struct padded *kept_padded;

int check_layout_padding(int fixed) {
  static int rounds;
  if (kept_padded == NULL) kept_padded = calloc(1, sizeof *kept_padded);
#ifdef FIXED
  kept_padded->limit = fixed;
#endif
  EXPECT(++kept_padded->count == ++rounds);
  return 1;
}
