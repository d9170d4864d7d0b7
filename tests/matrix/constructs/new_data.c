// New variables, new tables with pointers to old and new functions, changed constant tables, data reached through data.
#include <stdlib.h>
#include <string.h>

#include "construct.h"

typedef int (*operation)(int);
static int twice(int x) { return 2 * x; }
static int thrice(int x) { return 3 * x; }
#ifdef FIXED
static int squared(int x) { return x * x; }
static int uses;
static char buffer[5000];
static const operation table[] = {twice, squared, thrice};
static operation chosen = squared;
static const char *const names[] = {"twice", "squared", "thrice", NULL};
#else
static const operation table[] = {twice, thrice};
static const char *const names[] = {"twice", "thrice", NULL};
#endif
static const unsigned short primes[] = {2, 3, 5, 7, 11, 13,
#ifdef FIXED
                                        19,
#else
                                        17,
#endif
};
operation remembered = twice;

NOINLINE int operate(unsigned which, int x) {
#ifdef FIXED
  ++uses;
  if (which == 77) {
    memset(buffer, 'a', sizeof buffer - 1);
    return (int)strlen(buffer) + chosen(3) + uses * 0;
  }
#endif
  return which < sizeof table / sizeof *table ? table[which](x) : -1;
}

NOINLINE const char *name_of(unsigned which) { return names[which]; }
NOINLINE int prime(unsigned i) { return primes[i]; }
NOINLINE int is_remembered(int x) {
#ifdef FIXED
  return remembered(x) + (remembered == twice ? 1000 : 0);
#else
  return remembered(x) + (remembered == twice ? 100 : 0);
#endif
}

int check_new_data(int fixed) {
  EXPECT(operate(1, 5) == (fixed ? 25 : 15));
  EXPECT(operate(2, 5) == (fixed ? 15 : -1));
  EXPECT(operate(77, 5) == (fixed ? 4999 + 9 : -1));
  EXPECT(strcmp(name_of(1), fixed ? "squared" : "thrice") == 0);
  EXPECT(prime(6) == (fixed ? 19 : 17));
  EXPECT(is_remembered(4) == 8 + (fixed ? 1000 : 100));
  return 1;
}
