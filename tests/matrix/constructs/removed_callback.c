// A function that the fix does away with, and whose address the running program holds: it would go on being called.
// matrix-refused: removed removed_callback: it is gone from the source, and its old code stays: the program may hold its address, which is in
#include "construct.h"

typedef int (*removed_call)(int);
static removed_call held_callback;

#ifdef FIXED
NOINLINE static int kept_callback(int x) { return x + 2; }
#define CHOSEN kept_callback
#else
NOINLINE static int removed_callback(int x) { return x + 1; }
#define CHOSEN removed_callback
#endif

int check_removed_callback(int fixed) {
  if (held_callback == NULL) held_callback = CHOSEN;
  EXPECT(held_callback(1) == (fixed ? 3 : 2));
  return 1;
}
