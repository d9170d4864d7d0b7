// A type that lives only on the stacks of functions that are replaced gets another layout: safe without an allowance.
// With link-time optimisation the types are not those of the program's objects, and it would be refused.
// The large code model calls through addresses that are taken, which could go anywhere.
// matrix-not: lto thinlto -mcmodel=large
#include "construct.h"

struct on_stacks {
  int from;
#ifdef FIXED
  long limit;
#endif
  int to;
  int sum;
};

NOINLINE static void stack_step(struct on_stacks *work) {
#ifdef FIXED
  if (work->sum > work->limit) return;
#endif
  work->sum += work->from;
  work->from += 1;
}

NOINLINE static int stack_run(int to) {
  struct on_stacks work = {0};
  work.to = to;
#ifdef FIXED
  work.limit = 10;
#endif
  while (work.from < work.to && work.sum <= 10) stack_step(&work);
  return work.sum * 1000 + work.from + (int)sizeof work;
}

int check_layout_on_stacks(int fixed) {
  EXPECT(stack_run(4) == 6004 + (fixed ? 24 : 12));
  return 1;
}
