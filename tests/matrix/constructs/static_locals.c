// Static locals of equal names, renumbered by a fix that adds one; their running values go on.
#include "construct.h"

#ifdef FIXED
NOINLINE static int added(void) {
  static int count = 1000;
  static int total;
  total += 2;
  return ++count + total * 0;
}
#endif

NOINLINE static int first(int by) {
  static int count;
  static int total = 5;
  total += by;
#ifdef FIXED
  if (added() < 1000) return -1;
#endif
  return count += by;
}

NOINLINE static int second(int by) {
  static int count = 50;
  static const int table[] = {1, 10, 100};
#ifdef FIXED
  return (count += by) + table[by % 3] + 100000;
#else
  return (count += by) + table[by % 3];
#endif
}

NOINLINE static int third(void) {
  static int count = 900;
  return ++count;
}

int check_static_locals(int fixed) {
  static int calls;
  ++calls;
  EXPECT(first(1) == calls);
  EXPECT(second(2) == 50 + 2 * calls + 100 + (fixed ? 100000 : 0));
  EXPECT(third() == 900 + calls);
  return 1;
}
