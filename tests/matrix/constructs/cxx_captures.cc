// A closure that was stored before the patch holds what it captured then: code that expects more would misread it.
// matrix-refused: what they hold changed: was \{int (__)?by\}, is \{int (__)?by, int (__)?more\}
// matrix-flags: -std=c++17
#include <functional>

#include "construct.h"

namespace captures {

struct Kept {
  std::function<int(int)> stored;
};

NOINLINE static Kept made(int by, int more) {
#ifdef FIXED
  return {[by, more](int v) { return v + by * 3 + more; }};
#else
  return {[by](int v) { return v + by * 3; }};
#endif
}

}  // namespace captures

extern "C" int check_cxx_captures(int fixed) {
  static const captures::Kept kept = captures::made(7, 100);
  EXPECT(kept.stored(1) == 22 + (fixed ? 100 : 0));
  return 1;
}
