// Merged strings, strings that are the end of others, wide strings, new strings; strings compared by address.
#include <string.h>
#include <wchar.h>

#include "construct.h"

static const char *kept = "kept in data";

NOINLINE const char *message(int kind) {
  switch (kind) {
    case 0: return "a long message about nothing";
    case 1: return "about nothing";
    case 2: return kept;
#ifdef FIXED
    case 3: return "a message of the fix about nothing";
    case 4: return "the fix about nothing";
#endif
    default: return "nothing";
  }
}

NOINLINE const wchar_t *wide(int kind) {
#ifdef FIXED
  return kind ? L"wide and fixed" : L"wide";
#else
  return kind ? L"wide and flawed" : L"wide";
#endif
}

// Merged strings have one address, and programs rely on it: what old code remembered is what new code knows, and the other way round.
static const char *remembered;
NOINLINE int knows_by_address(const char **which) {
  const char *name = "a name that is known by its address";
  if (*which == NULL) *which = name;
#ifdef FIXED
  return *which == name ? 2 : 0;
#else
  return *which == name;
#endif
}

NOINLINE void keep(const char *text) { kept = text; }

int check_strings(int fixed) {
  EXPECT(strcmp(message(0), "a long message about nothing") == 0);
  EXPECT(strcmp(message(1), "about nothing") == 0);
  EXPECT(strcmp(message(3), fixed ? "a message of the fix about nothing" : "nothing") == 0);
  EXPECT(strcmp(message(4), fixed ? "the fix about nothing" : "nothing") == 0);
  EXPECT(strcmp(message(9), "nothing") == 0);
  EXPECT(strcmp(message(2), "kept in data") == 0 || strcmp(message(2), "changed by running") == 0);
  keep("changed by running");
  EXPECT(knows_by_address(&remembered) == (fixed ? 2 : 1));
  EXPECT(wcscmp(wide(1), fixed ? L"wide and fixed" : L"wide and flawed") == 0);
  return 1;
}
