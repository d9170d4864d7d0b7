// Static locals of one name in functions that are all compiled into one that changes: their code does not say which is which once
// a third comes in between, and the debugging information does.
// What the link makes of intermediate code has its debugging information elsewhere.
// matrix-not: lto clang-O2-thinlto
#include "construct.h"

static inline int first_seen(int by) {
  static const char names[] = "first";  // a constant may go from function to function: it has no value to lose
  static int seen = 10;
  by += names[by] - names[by];
  return seen += by;
}

#ifdef FIXED
static inline int third_seen(int by) {
  static const char names[] = "third";
  static int seen = 1000;
  by += names[by] - names[by];
  return seen += by;
}
#endif

static inline int second_seen(int by) {
  static int seen = 100;
  return seen -= by;
}

NOINLINE static int all_seen(int *second) {
#ifdef FIXED
  *second = second_seen(3);
  return first_seen(1) + third_seen(0) - 1000;
#else
  const int first = first_seen(1);
  *second = second_seen(3);
  return first;
#endif
}

int check_static_locals_of_functions(int fixed) {
  static int calls;
  (void)fixed;
  int second;
  ++calls;
  EXPECT(all_seen(&second) == 10 + calls);
  EXPECT(second == 100 - 3 * calls);
  return 1;
}
