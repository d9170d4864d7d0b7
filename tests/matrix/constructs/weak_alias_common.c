// Weak functions that are there and that are not, aliases of a changed function, common symbols, protected and hidden ones.
#include "construct.h"

int nowhere_defined(int) __attribute__((weak));
extern int nowhere_data __attribute__((weak));
volatile int common_counter __attribute__((common));
__attribute__((visibility("hidden"))) int hidden_counter = 3;
__attribute__((visibility("protected"))) int protected_counter = 4;

NOINLINE int aliased(int x) {
#ifdef FIXED
  return x + 20 + (++common_counter) * 0;
#else
  return x + 10;
#endif
}
int other_name(int x) __attribute__((alias("aliased")));
int weak_name(int x) __attribute__((weak, alias("aliased")));

__attribute__((weak)) NOINLINE int weak_function(int x) {
#ifdef FIXED
  return x * 3;
#else
  return x * 2;
#endif
}

__attribute__((visibility("hidden"))) NOINLINE int hidden_function(int x) { return x + hidden_counter; }
__attribute__((visibility("protected"))) NOINLINE int protected_function(int x) { return x + protected_counter; }

NOINLINE int uses_all(int x) {
  int sum = nowhere_defined ? nowhere_defined(x) : 1;
#ifdef FIXED
  sum += &nowhere_data ? nowhere_data : 10;
  ++common_counter;
  sum += weak_function(x) + other_name(x);
#else
  sum += &nowhere_data ? nowhere_data : 10;
  sum += weak_function(x);
#endif
  hidden_counter += 1;
  protected_counter += 1;
  return sum + hidden_function(x) + protected_function(x);
}

NOINLINE int same_function(int (*f)(int)) { return f == aliased; }

int check_weak_alias_common(int fixed) {
  static int calls, counted;
  ++calls;
  counted += fixed ? 4 : 0;  // two calls of each kind below, see aliased and uses_all
  EXPECT(uses_all(2) == 11 + (fixed ? 6 + 22 : 4) + (2 + 3 + calls) + (2 + 4 + calls));
  EXPECT(aliased(1) == (fixed ? 21 : 11));
  EXPECT(weak_name(1) == (fixed ? 21 : 11));
  EXPECT(same_function(other_name));
  EXPECT(common_counter == counted);
  return 1;
}
