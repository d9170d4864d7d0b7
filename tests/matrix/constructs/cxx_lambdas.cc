// Closures: a fix that adds one renumbers those behind it; the variables in them stay the running program's, and closures
// that were stored before the patch call the fixed code.
// matrix-flags: -std=c++17
// matrix-quick: gcc-O3-exec
#include <functional>

#include "construct.h"

namespace lambdas {

NOINLINE static int call(const std::function<int(int)> &function, int x) { return function(x) + 1; }

NOINLINE static int several(int x) {
#ifdef FIXED
  auto added = [](int v) {
    static int steps = 1;
    return v + 1000 * (++steps > 0);
  };
  x = added(x);
#endif
  auto first = [x](int v) {
    static int calls = 0;
    return v + x + ++calls * 10;
  };
  auto second = [&](int v) {
    static int calls = 500;
    return first(v) * 2 + ++calls;
  };
  return call(first, 1) + call(second, 2);
}

struct Kept {
  explicit Kept(int by) {
    stored = [by](int v) {
#ifdef FIXED
      return v + by + 5000;
#else
      return v + by;
#endif
    };
  }
  std::function<int(int)> stored;
};

template <class F> NOINLINE int twice(F function) { return function(1) + function(2); }

}  // namespace lambdas

extern "C" int check_cxx_lambdas(int fixed) {
  using namespace lambdas;
  static int rounds;
  static const Kept kept(7);
  const int x = 3 + (fixed ? 1000 : 0);
  // `first` is called twice a round.
  const int first = 1 + x + (2 * rounds + 1) * 10;
  const int inner = 2 + x + (2 * rounds + 2) * 10;
  ++rounds;
  EXPECT(several(3) == first + 1 + inner * 2 + 500 + rounds + 1);
  EXPECT(call(kept.stored, 1) == 9 + (fixed ? 5000 : 0));
#ifdef FIXED
  EXPECT(twice([](int v) { return v * 30; }) == (fixed ? 90 : 9));
#else
  EXPECT(twice([](int v) { return v * 3; }) == (fixed ? 90 : 9));
#endif
  return 1;
}
