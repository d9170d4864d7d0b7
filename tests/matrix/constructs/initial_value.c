// matrix-refused: data limit_of_all: initial value of existing data changed: 5 -> 6
#include "construct.h"

#ifdef FIXED
volatile int limit_of_all = 6;
#else
volatile int limit_of_all = 5;
#endif

NOINLINE int limited(int x) { return x > limit_of_all ? limit_of_all : x; }

int check_initial_value(int fixed) {
  EXPECT(limited(3) == 3);
  return 1;
}
