// An IFUNC whose targets change; its resolver does not, and has chosen long ago.
// matrix-not: clang-O2-lld-icf clang-O2-thinlto
#include "construct.h"

NOINLINE static int slow_sum(const int *values, int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += values[i];
#ifdef FIXED
  return sum + 1000;
#else
  return sum;
#endif
}

NOINLINE static int quick_sum(const int *values, int count) {
  int sum = 0;
  for (int i = count; i-- > 0;) sum += values[i];
#ifdef FIXED
  return sum + 2000;
#else
  return sum + 1;
#endif
}

int ifunc_cpu = 1;
static void *resolve_sum(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("sse2") ? (void *)quick_sum : (void *)slow_sum;
}
int ifunc_sum(const int *values, int count) __attribute__((ifunc("resolve_sum")));

NOINLINE int through_ifunc(const int *values, int count) {
#ifdef FIXED
  return ifunc_sum(values, count) + ifunc_sum(values, 1);
#else
  return ifunc_sum(values, count);
#endif
}

int check_ifunc(int fixed) {
  static const int values[] = {1, 2, 3, 4};
  EXPECT(ifunc_sum(values, 4) == (fixed ? 2010 : 11));
  EXPECT(through_ifunc(values, 3) == (fixed ? 2006 + 2001 : 7));
  return 1;
}
