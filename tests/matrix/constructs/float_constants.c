// Constants that the compiler pools by size (.rodata.cst4, 8, 16, 32) and the tables of vectorised loops.
#include "construct.h"

NOINLINE double polynomial(double x) {
#ifdef FIXED
  return ((1.5 * x + 2.25) * x - 3.125) * x + 0.1;
#else
  return ((1.5 * x + 2.25) * x - 3.125) * x;
#endif
}

NOINLINE float negate_all(float *values, int count) {
  float sum = 0;
  for (int i = 0; i < count; ++i) {
#ifdef FIXED
    values[i] = -values[i] * 0.5f + 1.25f;
#else
    values[i] = -values[i] * 0.5f;
#endif
    sum += values[i];
  }
  return sum;
}

NOINLINE void ramp(int *out, int count) {
  for (int i = 0; i < count; ++i)
#ifdef FIXED
    out[i] = i * 3 + 7;
#else
    out[i] = i * 3 + 5;
#endif
}

NOINLINE double unchanged_sum(double a) { return a * 1.5 + 2.25 - 0.1; }

int check_float_constants(int fixed) {
  float values[13];
  int numbers[67];
  for (int i = 0; i < 13; ++i) values[i] = (float)i;
  EXPECT(polynomial(2) == ((1.5 * 2 + 2.25) * 2 - 3.125) * 2 + (fixed ? 0.1 : 0));
  EXPECT(negate_all(values, 13) == (fixed ? -39.0f + 16.25f : -39.0f));
  ramp(numbers, 67);
  for (int i = 0; i < 67; ++i) EXPECT(numbers[i] == i * 3 + (fixed ? 7 : 5));
  EXPECT(unchanged_sum(2) == 3 + 2.25 - 0.1);
  return 1;
}
