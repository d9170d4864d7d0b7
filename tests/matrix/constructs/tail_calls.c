// Sibling calls: to others, to itself, through pointers; functions that are one jump; recursion that counts on the redirect.
#include "construct.h"

int tail_state;
typedef int (*tail_function)(int, int);

NOINLINE int tail_end(int a, int b) { return a * 100 + b + tail_state * 0; }

NOINLINE int tail_self(int n, int sum) {
#ifdef FIXED
  return n == 0 ? tail_end(sum, 2) : tail_self(n - 1, sum + n);
#else
  return n == 0 ? tail_end(sum, 1) : tail_self(n - 1, sum + n);
#endif
}

NOINLINE int tail_even(int n, int x);
NOINLINE int tail_odd(int n, int x) {
#ifdef FIXED
  return n == 0 ? tail_end(x, 7) : tail_even(n - 1, x + 2);
#else
  return n == 0 ? tail_end(x, 7) : tail_even(n - 1, x + 1);
#endif
}
NOINLINE int tail_even(int n, int x) { return n == 0 ? tail_end(x, 8) : tail_odd(n - 1, x + 1); }

NOINLINE int tail_pointer(tail_function f, int a) {
#ifdef FIXED
  return f(a, 1);
#else
  return f(a, 0);
#endif
}

NOINLINE int recursion(int n) {
  if (n <= 1) return 1;
#ifdef FIXED
  return n * recursion(n - 1) + 1;
#else
  return n * recursion(n - 1);
#endif
}

int check_tail_calls(int fixed) {
  EXPECT(tail_self(4, 0) == (fixed ? 1002 : 1001));
  EXPECT(tail_odd(3, 0) == (fixed ? 508 : 308));
  EXPECT(tail_even(3, 0) == (fixed ? 407 : 307));
  EXPECT(tail_pointer(tail_end, 2) == (fixed ? 201 : 200));
  EXPECT(recursion(4) == (fixed ? 41 : 24));
  return 1;
}
