// Hand-written assembly beside: left alone, called by replaced code and calling it; inline assembly with labels of its own.
// matrix-not: lto clang-O2-thinlto
#include "construct.h"

int assembly_add(int a, int b);
int assembly_second_entry(int a);
extern const int assembly_table[4];
int called_by_assembly(int x);
int assembly_calls(int x);

NOINLINE int called_by_assembly(int x) {
#ifdef FIXED
  return x + 2000;
#else
  return x + 1000;
#endif
}

NOINLINE int uses_assembly(int x) {
  int result;
#ifdef FIXED
  __asm__("cmp $5, %1\n\tjl 1f\n\tlea 7(%1), %0\n\tjmp 2f\n1:\tlea 3(%1), %0\n2:" : "=&r"(result) : "r"(x) : "cc");
  return assembly_add(result, assembly_table[x & 3]) + assembly_second_entry(x);
#else
  __asm__("cmp $5, %1\n\tjl 1f\n\tlea 7(%1), %0\n\tjmp 2f\n1:\tlea 2(%1), %0\n2:" : "=&r"(result) : "r"(x) : "cc");
  return assembly_add(result, assembly_table[x & 3]);
#endif
}

int check_assembly(int fixed) {
  EXPECT(uses_assembly(1) == (fixed ? 4 + 20 + 51 : 3 + 20));
  EXPECT(uses_assembly(6) == (fixed ? 13 + 30 + 56 : 13 + 30));
  EXPECT(assembly_calls(3) == (fixed ? 2004 : 1004));
  return 1;
}
