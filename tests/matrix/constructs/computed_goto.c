// Label addresses in a table of a function: an interpreter as gcc users write it.
#include "construct.h"

static long steps;

NOINLINE long interpret(const unsigned char *code) {
  static const void *const labels[] = {&&op_end, &&op_add, &&op_mul, &&op_neg, &&op_new};
  long value = 1;
  goto *labels[*code];
op_add:
  value += *++code;
  ++steps;
  goto *labels[*++code];
op_mul:
  value *= *++code;
  ++steps;
  goto *labels[*++code];
op_neg:
  value = -value;
  goto *labels[*++code];
op_new:
#ifdef FIXED
  value = value * 10 + 4;
#else
  value = 0;
#endif
  goto *labels[*++code];
op_end:
  return value;
}

int check_computed_goto(int fixed) {
  static long expected;
  static const unsigned char program[] = {1, 5, 2, 7, 3, 4, 0};
  EXPECT(interpret(program) == (fixed ? -416 : 0));
  expected += 2;
  EXPECT(steps == expected);
  return 1;
}
