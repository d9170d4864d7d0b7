// Functions and data of libraries that the old program does not import, and of which there are several versions.
// matrix-not: static static-pie
#include <stdlib.h>
#include <string.h>

#include "construct.h"

int helper_versioned(int x);
int helper_only_fixed(int x);
int helper_used(int x);
extern int helper_data, helper_table[4];
int *helper_data_address(void);

NOINLINE static int call_it(int (*function)(int), int x) { return function(x); }

NOINLINE int imports(const char *text, int x) {
#ifdef FIXED
  char *end;
  long value = strtol(text, &end, 16);
  return (int)value + helper_versioned(x) + helper_only_fixed(x) + helper_used(x) + call_it(helper_only_fixed, 0);
#else
  return atoi(text) + helper_used(x);
#endif
}

NOINLINE int foreign_data(int by) {
#ifdef FIXED
  helper_data += by;
  return helper_data + helper_table[2] + (helper_data_address() == &helper_data ? 1000 : 2000);
#else
  helper_data += by;
  return helper_data;
#endif
}

int check_new_imports(int fixed) {
  static int data = 7;
  EXPECT(imports("10", 1) == (fixed ? 16 + 201 + 301 + 401 + 300 : 10 + 401));
  data += 2;
  EXPECT(foreign_data(2) == data + (fixed ? 3 + 1000 : 0));
  return 1;
}
