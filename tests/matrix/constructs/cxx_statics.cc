// Data with initialisers that run: guarded static locals, of the running program and new ones; variables of anonymous
// namespaces, of templates and inline ones; a local class; thread-local ones with constructors.
// matrix-flags: -std=c++17
// matrix-quick: gcc-O2-lto
#include <memory>
#include <string>
#include <vector>

#include "construct.h"

namespace statics {

namespace {
struct Once {
  Once() : value(77) {}
  int value;
} once;
int hidden = 40;
}  // namespace

template <class T> struct Counter {
  static int count;
  NOINLINE static int next() { return ++count; }
};
template <class T> int Counter<T>::count = 10;
inline int inline_variable = 5;

thread_local std::string per_thread = "t" + std::to_string(once.value);

#ifdef FIXED
constexpr int kStep = 10;
#else
constexpr int kStep = 1;
#endif

NOINLINE static int bump_hidden() { return hidden += kStep; }

NOINLINE static std::string guarded() {
  static std::string text = "g" + std::to_string(once.value);
#ifdef FIXED
  text += "F";
#else
  text += "o";
#endif
  return text;
}

NOINLINE static int fresh() {
#ifdef FIXED
  static std::vector<int> values(5, once.value);
  values.push_back(1);
  return static_cast<int>(values.size()) - 5 > 0 ? values[0] : -1;
#else
  return 0;
#endif
}

NOINLINE static int local_class(int by) {
  struct Local {
    virtual ~Local() = default;
    virtual int twice(int v) {
#ifdef FIXED
      return 2 * v + 3;
#else
      return 2 * v;
#endif
    }
  };
  static Local *const kept = new Local;
  const std::unique_ptr<Local> mine(new Local);
  return kept->twice(by) + mine->twice(by);
}

NOINLINE static int counted() { return Counter<long>::next() * kStep; }

NOINLINE static std::string &thread_text() {
#ifdef FIXED
  per_thread += "F";
#else
  per_thread += "o";
#endif
  return per_thread;
}

}  // namespace statics

extern "C" int check_cxx_statics(int fixed) {
  using namespace statics;
  const int before = hidden;
  EXPECT(bump_hidden() == before + (fixed ? 10 : 1));
  static std::string expected = "g77";
  expected += fixed ? "F" : "o";
  EXPECT(guarded() == expected);
  EXPECT(fresh() == (fixed ? 77 : 0));
  EXPECT(local_class(2) == (fixed ? 14 : 8));
  static int counts = 10;
  ++counts;
  EXPECT(counted() == counts * (fixed ? 10 : 1));
  EXPECT(inline_variable == 5);
  thread_local std::string mine = "t77";
  mine += fixed ? "F" : "o";
  EXPECT(thread_text() == mine);
  return 1;
}
