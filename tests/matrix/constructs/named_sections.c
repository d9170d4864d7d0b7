// Functions and data in sections of the program's own, arrays that the linker gathers (__start_, __stop_), `used` data, start-up
// and shutdown code that does not change.
#include "construct.h"

struct entry {
  const char *name;
  int (*function)(int);
};
extern const struct entry __start_matrix_entries[], __stop_matrix_entries[];

static volatile int zero_of_sections;
NOINLINE static int tail_of_sections(int x) { return x + zero_of_sections; }
__attribute__((section("matrix_text"))) NOINLINE int in_own_section(int x) {
#ifdef FIXED
  return tail_of_sections(x) + 22;
#else
  return tail_of_sections(x) + 11;
#endif
}
__attribute__((section("matrix_text_too"))) NOINLINE int in_own_section_too(int x) { return tail_of_sections(x) + 33; }
__attribute__((section("matrix_data"))) static volatile int own_data = 5;
__attribute__((section("matrix_data"), used)) static int own_data_too = 6;

#define REGISTER(name) \
  static const struct entry entry_##name __attribute__((used, retain, section("matrix_entries"), aligned(8))) = {#name, name}
REGISTER(in_own_section);
REGISTER(in_own_section_too);

static int started;
__attribute__((constructor)) static void start(void) { started = 41; }
__attribute__((destructor)) static void stop(void) { started = 0; }

NOINLINE int walk(int x) {
  int sum = 0;
#ifdef FIXED
  for (const struct entry *e = __start_matrix_entries; e < __stop_matrix_entries; ++e) sum += e->function(x) * 2;
  ++own_data;
#else
  for (const struct entry *e = __start_matrix_entries; e < __stop_matrix_entries; ++e) sum += e->function(x);
#endif
  return sum + own_data + started;
}

int check_named_sections(int fixed) {
  static int added;
  added += fixed;
  EXPECT(walk(1) == (fixed ? 2 * (23 + 34) : 12 + 34) + 5 + added + 41);
  EXPECT(in_own_section(0) == (fixed ? 22 : 11));
  EXPECT(own_data_too == 6);
  return 1;
}
