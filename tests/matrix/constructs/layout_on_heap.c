// A type of which objects are alive: what speaks against it, and who makes them.
// matrix-refused: layout on_heap: .*objects of it may be alive: variables of it are kept_on_heap .*made by heap_make \(40 bytes, by calloc\)
// matrix-not: lto thinlto
#include <stdlib.h>

#include "construct.h"

struct on_heap {
  struct on_heap *next;
  long values[4];
#ifdef FIXED
  int limit;
#endif
};
static struct on_heap *kept_on_heap;

NOINLINE static struct on_heap *heap_make(void) { return calloc(1, sizeof(struct on_heap)); }

NOINLINE static int heap_use(struct on_heap *object) {
#ifdef FIXED
  if (object->limit > 3) return -1;
#endif
  return (int)++object->values[0];
}

int check_layout_on_heap(int fixed) {
  static int rounds;
  if (kept_on_heap == NULL) kept_on_heap = heap_make();
  EXPECT(kept_on_heap != NULL && heap_use(kept_on_heap) == ++rounds);
  return 1;
}
