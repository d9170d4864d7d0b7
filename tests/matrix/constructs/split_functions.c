// What gcc splits off functions or specialises: .cold, .part, .isra, .constprop; with a fix that renumbers the clones.
#include <stdlib.h>

#include "construct.h"

static int errors;
struct point {
  int x, y, unused[6];
};

__attribute__((cold)) NOINLINE static void note_error(int code) { errors += code; }

#ifdef FIXED
// A clone of the same kind in front of the others.
NOINLINE static int scaled_new(struct point *p, int factor, int mode) {
  if (mode == 4) return p->x * factor + 1;
  return p->y - factor;
}
#endif

NOINLINE static int scaled(struct point *p, int factor, int mode) {
  if (mode == 3) return p->x * factor + p->y;
  if (__builtin_expect(factor < 0, 0)) {
    note_error(1);
    return -1;
  }
  return p->x;
}

NOINLINE static int weighed(const struct point *p, int unused_weight, int weight) {
  (void)unused_weight;
  int sum = p->x * weight;
  for (int i = 0; i < weight; ++i) sum += p->y * i;
  return sum;
}

NOINLINE int with_cold_part(int value) {
  if (__builtin_expect(value < 0, 0)) {
#ifdef FIXED
    note_error(value == -1 ? 20 : 10);
#else
    note_error(10);
#endif
    if (value < -1000000) abort();
    return -value;
  }
  return value * 2;
}

static int shared_part(int value, int *out) {  // becomes .part where its head is inlined
  if (value == 0) return 0;
  for (int i = 0; i < value; ++i) {
    *out += i * value;
    if (*out > 10000) note_error(0);
  }
  return *out;
}

NOINLINE int caller_one(int value) {
  int out = 1;
#ifdef FIXED
  return shared_part(value, &out) + 7;
#else
  return shared_part(value, &out);
#endif
}
NOINLINE int caller_two(int value) {
  int out = 2;
  return shared_part(value + 1, &out);
}
NOINLINE int caller_three(int value) {
  int out = 3;
  return shared_part(value * 2, &out);
}

NOINLINE int user(int x) {
  struct point p = {x, x + 1, {0}};
#ifdef FIXED
  return scaled(&p, 3, 3) + weighed(&p, 0, 4) + scaled_new(&p, 2, 4);
#else
  return scaled(&p, 3, 3) + weighed(&p, 0, 4);
#endif
}
NOINLINE int user_of_both(int x) {
  struct point p = {x, x, {0}};
  return scaled(&p, x, 2) + weighed(&p, 1, x);
}

int check_split_functions(int fixed) {
  static int expected;
  EXPECT(user(5) == 15 + 6 + 20 + 36 + (fixed ? 11 : 0));
  EXPECT(user_of_both(2) == 2 + 4 + 2);
  EXPECT(with_cold_part(4) == 8);
  EXPECT(with_cold_part(-1) == 1);
  expected += fixed ? 20 : 10;
  EXPECT(errors == expected);
  EXPECT(caller_one(0) == (fixed ? 7 : 0));
  EXPECT(caller_one(3) == 10 + (fixed ? 7 : 0));
  EXPECT(caller_two(2) == 11);
  EXPECT(caller_three(1) == 5);
  return 1;
}
