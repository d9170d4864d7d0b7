#include <stdio.h>

#include "work.h"

static int same_a(int x) { return x + 1; }  // the same code as functions of the other file
__attribute__((noinline)) static int twice(int x) { return same_a(x) + same_a(x); }

int main(void) {
  char text[64];
  for (int kind = 0; kind < 8; ++kind) {
    describe(text, sizeof text, kind);
    puts(text);
  }
  printf("%d\n%d\n", chosen("1 2 3"), chosen("12x"));
  printf("%d %d %d\n", is_default_handler(chosen), twice(total_calls()), limit);
  return 0;
}
