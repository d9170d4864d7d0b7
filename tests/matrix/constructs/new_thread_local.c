// matrix-refused: new thread-local data
#include "construct.h"

#ifdef FIXED
static __thread int per_thread = 5;
#endif

NOINLINE int uses_thread_local(int x) {
#ifdef FIXED
  return x + ++per_thread;
#else
  return x;
#endif
}

int check_new_thread_local(int fixed) {
  EXPECT(uses_thread_local(1) == 1);
  return 1;
}
