// A new virtual function: objects that exist have a table without it.
// matrix-refused: virtual function .*added.* new in slot|vtable
#include "construct.h"

struct Growing {
  virtual ~Growing() = default;
  virtual int plain(int by) { return by + 1; }
#ifdef FIXED
  virtual int added(int by) { return by + 2; }
#endif
  int value = 1;
};
static Growing *const growing = new Growing;

extern "C" int check_cxx_new_virtual(int fixed) {
#ifdef FIXED
  EXPECT(growing->added(1) == 3);
#endif
  EXPECT(growing->plain(1) == 2);
  return 1;
}
