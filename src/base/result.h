// Result<T>: a value or an Error. The surface follows std::expected, which gcc 12 does not have, for a later swap.
//   auto x = TRY(expression);                  // returns the Error to our caller, or yields the value
//   TRY_WHILE(expression, cat("reading ", f))  // the same, and adds the step to the Error
#pragma once

#include <cassert>
#include <optional>
#include <utility>
#include <variant>

#include "base/error.h"

namespace suture {

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by design

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T &value() & { return *std::get_if<0>(&state_); }
  const T &value() const & { return *std::get_if<0>(&state_); }
  T &&value() && { return std::move(*std::get_if<0>(&state_)); }
  T &operator*() & { return value(); }
  const T &operator*() const & { return value(); }
  T &&operator*() && { return std::move(*this).value(); }
  T *operator->() { return &value(); }
  const T *operator->() const { return &value(); }
  Error &error() & { return *std::get_if<1>(&state_); }
  const Error &error() const & { return *std::get_if<1>(&state_); }
  Error &&error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void value() const {}
  Error &error() & { return *error_; }
  const Error &error() const & { return *error_; }
  Error &&error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace suture

#define TRY(expression)                                           \
  __extension__({                                                 \
    auto &&suture_try_ = (expression);                            \
    if (!suture_try_.has_value()) return std::move(suture_try_).error(); \
    std::move(suture_try_).value();                               \
  })

#define TRY_WHILE(expression, step)                               \
  __extension__({                                                 \
    auto &&suture_try_ = (expression);                            \
    if (!suture_try_.has_value()) return std::move(std::move(suture_try_).error()).during(step); \
    std::move(suture_try_).value();                               \
  })
