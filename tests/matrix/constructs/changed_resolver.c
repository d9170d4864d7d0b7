// matrix-refused: IFUNC resolver
#include "construct.h"

static int one(void) { return 1; }
static int two(void) { return 2; }
int resolver_choice = 1;
static void *resolve_choice(void) {
#ifdef FIXED
  return (void *)two;
#else
  return (void *)one;
#endif
}
int resolved_choice(void) __attribute__((ifunc("resolve_choice")));

int check_changed_resolver(int fixed) {
  EXPECT(resolved_choice() == 1 && one() + two() == 3);
  return 1;
}
