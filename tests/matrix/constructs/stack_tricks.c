// Variable arguments, setjmp and longjmp, alloca and variable-length arrays, large frames, aligned frames, vector arguments.
#include <alloca.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "construct.h"

NOINLINE double sum_arguments(int count, ...) {
  va_list list;
  double sum = 0;
  va_start(list, count);
  for (int i = 0; i < count; ++i) sum += i % 2 ? va_arg(list, double) : va_arg(list, int);
  va_end(list);
#ifdef FIXED
  return sum * 2;
#else
  return sum;
#endif
}

NOINLINE static int format(char *out, size_t size, const char *text, ...) {
  va_list list;
  va_start(list, text);
#ifdef FIXED
  int n = snprintf(out, size, "fixed ");
  n += vsnprintf(out + n, size - (size_t)n, text, list);
#else
  int n = vsnprintf(out, size, text, list);
#endif
  va_end(list);
  return n;
}

static jmp_buf place;
NOINLINE static void leap(int value) { longjmp(place, value); }
NOINLINE int jumps(int value) {
  volatile int seen = value;
  switch (setjmp(place)) {
    case 0: leap(value); return -1;
    case 3: return seen + 1;
#ifdef FIXED
    case 4: return seen + 400;
#endif
    default: return 0;
  }
}

NOINLINE int variable_frames(int count) {
  int numbers[count];
  char *text = alloca((size_t)count + 20);
  __attribute__((aligned(64))) char aligned[64];
  memset(aligned, count, sizeof aligned);
  memset(text, 'x', (size_t)count);
  text[count] = 0;
  for (int i = 0; i < count; ++i) numbers[i] = i * aligned[i % 64];
#ifdef FIXED
  return numbers[count - 1] + (int)strlen(text) + ((unsigned long)aligned % 64 == 0 ? 1000 : 0);
#else
  return numbers[count - 1] + (int)strlen(text);
#endif
}

NOINLINE int large_frame(int x) {
  volatile char big[70000];
  big[x] = 5;
  big[69999] = 3;
#ifdef FIXED
  return big[x] * 10 + big[69999];
#else
  return big[x] + big[69999];
#endif
}

typedef float four __attribute__((vector_size(16)));
NOINLINE four vector_argument(four a, four b) {
#ifdef FIXED
  return a * b + (four){1, 2, 3, 4};
#else
  return a * b;
#endif
}

int check_stack_tricks(int fixed) {
  char text[64];
  EXPECT(sum_arguments(3, 1, 2.5, 3) == (fixed ? 13 : 6.5));
  format(text, sizeof text, "%d-%s", 5, "five");
  EXPECT(strcmp(text, fixed ? "fixed 5-five" : "5-five") == 0);
  EXPECT(jumps(3) == 4);
  EXPECT(jumps(4) == (fixed ? 404 : 0));
  EXPECT(variable_frames(5) == 20 + 5 + (fixed ? 1000 : 0));
  EXPECT(large_frame(17) == (fixed ? 53 : 8));
  const four product = vector_argument((four){1, 2, 3, 4}, (four){2, 2, 2, 2});
  EXPECT(product[3] == (fixed ? 12 : 8));
  return 1;
}
