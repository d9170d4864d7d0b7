// Initial values that are written where the running ones are still the old: one is, one was changed by the program, and of a
// third only the words that the fix changes count. A value that is left is not touched.
// matrix-data: written_limit=write-if-old written_set=write-if-old written_table=write-if-old written_kept=keep
// matrix-not: thinlto
#include "construct.h"

#define OWN __attribute__((visibility("hidden")))  // of a library only it

#ifdef FIXED
OWN volatile int written_limit = 2000;
OWN volatile int written_set = 11;
static long written_table[4] = {1, 20, 3, 4};
OWN volatile int written_kept = 6;
#else
OWN volatile int written_limit = 1000;
OWN volatile int written_set = 10;
static long written_table[4] = {1, 2, 3, 4};
OWN volatile int written_kept = 5;
#endif
static int first_value_kept;

NOINLINE static long written_sum(void) {
  long sum = 0;
  for (int i = 0; i < 4; ++i) sum += ((volatile long *)written_table)[i];
  return sum;
}

int check_data_written(int fixed) {
  static int rounds;
  EXPECT(rounds == 0 || written_set == 77);
  EXPECT(written_limit == (fixed ? 2000 : 1000));
  // The first to be asked is the program, started from a file: the value is the file's. Later it is its own.
  if (rounds == 0) {
    EXPECT(written_set == (fixed ? 11 : 10));
    EXPECT(written_kept == 5);
    first_value_kept = written_kept;
  }
  written_set = 77;
  EXPECT(written_sum() == (rounds == 0 ? 10 : 16) + (fixed ? 18 : 0));
  if (rounds == 0) written_table[3] = 10;
  EXPECT(written_kept == first_value_kept);
  ++rounds;
  return 1;
}
