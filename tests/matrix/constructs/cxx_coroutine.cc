// A changed coroutine: suspended ones would go on in the middle of the new code, with a frame that the old code made.
// matrix-flags: -std=c++20
// matrix-not: clang
// matrix-refused: coroutine .*counting
#include <coroutine>

#include "construct.h"

struct Numbers {
  struct promise_type {
    int value = 0;
    Numbers get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    std::suspend_always yield_value(int v) {
      value = v;
      return {};
    }
    void return_void() {}
    void unhandled_exception() {}
  };
  std::coroutine_handle<promise_type> handle;
};

static Numbers counting(int from) {
  for (;;) {
#ifdef FIXED
    if (from > 1000000) from = 0;
#endif
    co_yield from++;
  }
}

extern "C" int check_cxx_coroutine(int fixed) {
  static Numbers numbers = counting(1);
  static int rounds;
  numbers.handle.resume();
  EXPECT(numbers.handle.promise().value == ++rounds);
  return 1;
}
