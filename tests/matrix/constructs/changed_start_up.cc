// A start-up function whose initialiser changes: it has run already.
// matrix-refused: constructor .*it runs at start-up, which is over in live processes
#include "construct.h"

struct Started {
  explicit Started(int by) : value(by) {}
  int value;
};
static volatile int given = 4;
#ifdef FIXED
static Started started(given * 3 + 1);
#else
static Started started(given);
#endif

extern "C" int check_changed_start_up(int fixed) {
  EXPECT(started.value == (fixed ? 13 : 4));
  return 1;
}
