// A switch that becomes a table of code addresses, in a function that changes and in one beside it that does not.
#include "construct.h"

static int state;

NOINLINE int table_changed(int kind) {
  switch (kind) {
    case 0: return state + 3;
    case 1: return state * 7 + 1;
    case 2: return 17 - state;
#ifdef FIXED
    case 3: return 1000 + state;
#else
    case 3: return state ^ 0x55;
#endif
    case 4: return state | 0x100;
    case 5: return state << 3;
    case 6: ++state; return state;
#ifdef FIXED
    case 7: return -7;
    case 8: return -8;
#endif
    default: return -1;
  }
}

NOINLINE int table_same(int kind) {
  switch (kind) {
    case 0: return state + 5;
    case 1: return state * 9 + 1;
    case 2: return 19 - state;
    case 3: return state ^ 0x35;
    case 4: return state | 0x1000;
    case 5: return state << 5;
    default: return table_changed(kind);
  }
}

int check_jump_table(int fixed) {
  static int calls;
  ++calls;
  EXPECT(table_same(6) == calls);
  EXPECT(table_changed(3) == (fixed ? 1000 + calls : (calls ^ 0x55)));
  EXPECT(table_same(7) == (fixed ? -7 : -1));
  EXPECT(table_same(8) == (fixed ? -8 : -1));
  EXPECT(table_changed(2) == 17 - calls);
  EXPECT(table_same(5) == calls << 5);
  return 1;
}
