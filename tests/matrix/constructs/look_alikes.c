// Functions that look alike as bytes: told apart by what they refer to, by who calls them, and by their order; a replaced function needs
// each of them.
#include "construct.h"

static volatile int a_count, b_count, c_count;
#define GETTER(n) NOINLINE int get_##n(void) { return n##_count; }
#define BUMP(n) NOINLINE void bump_##n(int by) { n##_count += by; }
GETTER(a) GETTER(b) GETTER(c) BUMP(a) BUMP(b) BUMP(c)
NOINLINE static int plus_1(int x) { return x + 1; }
NOINLINE static int plus_1_again(int x) { return x + 1; }
NOINLINE static int wrap_1(int x) { return plus_1(x) * 2; }
NOINLINE static int wrap_2(int x) { return plus_1_again(x) * 2; }

NOINLINE int all_alike(int x) {
#ifdef FIXED
  bump_a(1);
  bump_b(10);
  bump_c(100);
  return wrap_1(x) + wrap_2(x) + get_a() + get_b() + get_c() + 100000;
#else
  bump_a(1);
  bump_b(10);
  return wrap_1(x) + wrap_2(x) + get_a() + get_b() + get_c();
#endif
}

int check_look_alikes(int fixed) {
  static int a, b, c;
  a += 1, b += 10, c += fixed ? 100 : 0;
  EXPECT(all_alike(1) == 8 + a + b + c + (fixed ? 100000 : 0));
  return 1;
}
