// Instantiations that the image has and that come newly with the fix; inline functions; type information, old and new.
// matrix-flags: -std=c++17
// matrix-quick: gcc-O2-debian
#include <any>
#include <functional>
#include <map>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include "construct.h"

namespace templates {

struct Base {
  virtual ~Base() = default;
  int base = 1;
};
struct Derived : Base {
  int derived = 2;
};
NOINLINE static const Base *kept() {
  static const Base *const object = new Derived;
  return object;
}
NOINLINE static std::any &held() {
  static std::any text = std::string("held");
  return text;
}

template <class T> NOINLINE T clamped(T value, T most) {
#ifdef FIXED
  if (value < T{}) return T{};
#endif
  return value > most ? most : value;
}

#ifdef FIXED
struct Further : Derived {
  int further = 3;
};
#endif

NOINLINE static std::string listed(int count) {
  std::map<std::string, int> numbers;
  for (int i = 0; i < count; ++i) numbers["k" + std::to_string(i)] = i;
  std::string out;
  for (const auto &[key, value] : numbers) out += key + "=" + std::to_string(value) + ";";
#ifdef FIXED
  std::map<int, std::vector<std::pair<long, std::string>>> other;
  other[3].emplace_back(5, "five");
  other[1].emplace_back(6, "six");
  for (const auto &[key, value] : other) out += std::to_string(key) + value.front().second;
  const std::function<std::string(double)> text = [&](double d) { return std::to_string(static_cast<int>(d) + count); };
  out += text(2.5);
#endif
  return out;
}

NOINLINE static int kind_of(const Base *object) {
#ifdef FIXED
  const Further further;
  const Base *other = &further;
  if (typeid(*other) != typeid(Further) || dynamic_cast<const Derived *>(other) == nullptr) return -1;
  if (dynamic_cast<const Further *>(object) != nullptr) return -2;
  return typeid(*object) == typeid(Derived) ? 20 : 0;
#else
  return typeid(*object) == typeid(Derived) ? 2 : 0;
#endif
}

NOINLINE static std::string any_text() {
  const auto *text = std::any_cast<std::string>(&held());
#ifdef FIXED
  return text == nullptr ? "none" : *text + "!";
#else
  return text == nullptr ? "none" : *text;
#endif
}

}  // namespace templates

extern "C" int check_cxx_templates(int fixed) {
  using namespace templates;
  EXPECT(clamped<long>(-4, 9) == (fixed ? 0 : -4));
  EXPECT(clamped<double>(12, 9) == 9);
  EXPECT(listed(2) == (fixed ? "k0=0;k1=1;1six3five4" : "k0=0;k1=1;"));
  EXPECT(kind_of(kept()) == (fixed ? 20 : 2));
  EXPECT(any_text() == (fixed ? "held!" : "held"));
  return 1;
}
