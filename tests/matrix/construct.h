// What every construct of the matrix includes. A construct is one source file `NAME.c` (or .cc) with a fix in it: what stands
// under `#ifdef FIXED` is only in the source after the fix, the `#else` only before (the lines are taken out, so that the
// compiler sees two ordinary trees). It defines `int check_NAME(int fixed)`, which tries the construct and tells by EXPECT
// what is wrong: `fixed` says whether the running program is supposed to have the fix at that moment. What a construct
// remembers between calls has to survive patching and reverting.
#pragma once
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif
extern int matrix_failures;
#ifdef __cplusplus
}
#endif

#define EXPECT(condition)                                                     \
  do {                                                                        \
    if (!(condition)) {                                                       \
      ++matrix_failures;                                                      \
      printf("FAILED %s, %s: %s\n", __func__, fixed ? "fixed" : "flawed", #condition); \
    }                                                                         \
  } while (0)

#define NOINLINE __attribute__((noinline))
