// The working file with the fix. Its twin pre_work.c is without it; compiler_test.cc builds, ships, strips,
// differences and patches the pair under many compilers and options.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "work.h"

extern handler_fn chosen;

__thread int depth_in_thread = 3;
int limit = 40;
static int calls;
static const char *const names[] = {"zero", "one", "two", "three"};

static int same_a(int x) { return x + 1; }
static int same_b(int x) { return x + 1; }

// New: its static local takes a number that another had, it has data of its own, and it needs a function (strtol) that the
// old program does not import.
static int refused_so_far = 1000;
__attribute__((noinline)) static int parse_digit(const char *text) {
  static int count = 7;
  char one[2] = {*text, 0};
  char *end = one;
  const long value = strtol(one, &end, 10);
  ++count;
  if (end == one) return -(++refused_so_far) - count;
  return (int)value;
}

__attribute__((noinline)) static int counted(int by) {
  static int count;
  count += by;
  return count;
}

__attribute__((noinline)) static int counted_elsewhere(int by) {
  static int count = 100;
  count -= by;
  return count;
}

__attribute__((noinline)) int classify(int kind) {
  switch (kind) {
    case 0: return same_a(kind) * 3;
    case 1: return 17;
    case 2: return same_b(kind) * 5;
    case 3: return 23 + limit;
    case 4: return 29;
    case 5: return depth_in_thread;
    case 6: return 31 + (chosen == sum_of ? 1000 : 0);
    default: return -1;
  }
}

__attribute__((noinline)) int sum_of(const char *text) {
  int sum = 0;
  ++calls;
  if (strlen(text) > (size_t)limit) return -1;
  for (const char *p = text; *p; ++p) sum += *p == ' ' ? 0 : parse_digit(p);
  return sum + counted(1);
}

__attribute__((noinline)) int describe(char *out, size_t size, int kind) {
  return snprintf(out, size, "%s/%d/%d", kind >= 0 && kind < 4 ? names[kind] : "many", classify(kind), counted_elsewhere(2));
}

handler_fn chosen = sum_of;

__attribute__((noinline)) int is_default_handler(handler_fn fn) { return fn == sum_of; }
int total_calls(void) { return calls; }
