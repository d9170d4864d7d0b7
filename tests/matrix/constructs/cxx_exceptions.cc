// Exceptions through old and new code in both directions: caught by either, new exception types, cleanups, rethrowing,
// handlers that the compiler moves to a cold part, function-try-blocks, noexcept and threads.
// matrix-flags: -std=c++17
// matrix-quick: clang-O2-pie gcc-O2-static
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

#include "construct.h"

namespace exceptions {

struct Failure : std::runtime_error {
  using runtime_error::runtime_error;
};

struct Trace {
  Trace(std::string &out, const char *name) : out_(out), name_(name) { out_ += name_; }
  ~Trace() { out_ += std::string("/") + name_; }
  std::string &out_;
  const char *name_;
};

// The same before and after.
NOINLINE static std::string caught_by_old(const std::function<void()> &throws) {
  std::string out;
  try {
    Trace trace(out, "o");
    throws();
    out += "none";
  } catch (const Failure &failure) {
    out += std::string("Failure:") + failure.what();
  } catch (const std::exception &other) {
    out += std::string("exception:") + other.what();
  } catch (...) {
    out += "other";
  }
  return out;
}

#ifdef FIXED
struct Refined : Failure {
  explicit Refined(int code) : Failure("refined" + std::to_string(code)), code(code) {}
  int code;
};
#endif

NOINLINE static void throwing(int kind) {
#ifdef FIXED
  if (kind == 3) throw Refined(33);
  if (kind == 1) throw Failure("one, fixed");
#else
  if (kind == 3) throw std::out_of_range("range");
  if (kind == 1) throw Failure("one");
#endif
  if (kind == 2) throw 42;
}

NOINLINE static std::string caught_by_new(int kind) {
  std::string out;
  try {
    Trace outer(out, "a");
    try {
      Trace inner(out, "b");
      throwing(kind);
#ifdef FIXED
    } catch (const Refined &refined) {
      out += "R" + std::to_string(refined.code);
      throw;
#endif
    } catch (const Failure &) {
      out += "F";
      throw;
    }
  } catch (const std::exception &failure) {
#ifdef FIXED
    out += std::string("!") + failure.what();
#else
    out += failure.what();
#endif
  } catch (int value) {
#ifdef FIXED
    value += 1;
#endif
    out += std::to_string(value);
  }
  return out;
}

struct Member {
  explicit Member(int kind) try : text(std::to_string(kind)) { throwing(kind); } catch (const Failure &) {
#ifdef FIXED
    throw std::logic_error("member, fixed");
#else
    throw std::logic_error("member");
#endif
  }
  std::string text;
};

NOINLINE static std::string in_constructor() {
  try {
    return Member(1).text;
  } catch (const std::exception &failure) {
    return failure.what();
  }
}

// Nothing may leave it; it has cleanups of its own.
NOINLINE static int closed(int kind) noexcept {
  std::string out;
  Trace trace(out, "n");
  try {
    throwing(kind);
  } catch (...) {
#ifdef FIXED
    return 900 + static_cast<int>(out.size());
#else
    return 100 + static_cast<int>(out.size());
#endif
  }
  return 0;
}

NOINLINE static std::exception_ptr held() {
  try {
    throwing(1);
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

NOINLINE static std::string from_thread() {
  std::string out;
  std::thread([&] { out = caught_by_new(1); }).join();
  return out;
}

}  // namespace exceptions

extern "C" int check_cxx_exceptions(int fixed) {
  using namespace exceptions;
  EXPECT(caught_by_old([] { throwing(0); }) == "onone/o");
  EXPECT(caught_by_old([] { throwing(1); }) == (fixed ? "o/oFailure:one, fixed" : "o/oFailure:one"));
  EXPECT(caught_by_old([] { throwing(2); }) == "o/oother");
  EXPECT(caught_by_old([] { throwing(3); }) == (fixed ? "o/oFailure:refined33" : "o/oexception:range"));
  EXPECT(caught_by_new(0) == "ab/b/a");
  EXPECT(caught_by_new(1) == (fixed ? "ab/bF/a!one, fixed" : "ab/bF/aone"));
  EXPECT(caught_by_new(2) == (fixed ? "ab/b/a43" : "ab/b/a42"));
  EXPECT(caught_by_new(3) == (fixed ? "ab/bR33/a!refined33" : "ab/b/arange"));
  EXPECT(in_constructor() == (fixed ? "member, fixed" : "member"));
  EXPECT(closed(1) == (fixed ? 901 : 101));
  EXPECT(closed(0) == 0);
  const std::exception_ptr kept = held();
  EXPECT(kept && caught_by_old([&] { std::rethrow_exception(kept); }) == (fixed ? "o/oFailure:one, fixed" : "o/oFailure:one"));
  EXPECT(from_thread() == (fixed ? "ab/bF/a!one, fixed" : "ab/bF/aone"));
  return 1;
}
