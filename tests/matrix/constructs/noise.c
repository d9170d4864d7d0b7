// A fix in the middle of functions with __LINE__, __FILE__ and __COUNTER__ in them: only the function it touches changes.
#include <string.h>

#include "construct.h"

static int last_line;
static const char *last_file;
#define NOTE() (last_line = __LINE__, last_file = __FILE__)

NOINLINE int noisy_before(int x) {
  NOTE();
  return x + 1;
}
NOINLINE int noisy_fixed(int x) {
  NOTE();
#ifdef FIXED
  if (x < 0)
    return 0;
  if (x > 1000)
    return 1000;
#endif
  return x + 2;
}
NOINLINE int noisy_after(int x) {
  NOTE();
  return x + 3;
}

int check_noise(int fixed) {
  EXPECT(noisy_before(1) == 2);
  const int line = last_line;
  EXPECT(noisy_fixed(-5) == (fixed ? 0 : -3));
  EXPECT(last_line == line + 4);
  EXPECT(noisy_after(1) == 4);
  EXPECT(last_line == line + 8);
  EXPECT(strcmp(last_file, "noise.c") == 0);
  return 1;
}
