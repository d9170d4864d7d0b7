// Building short texts: cat("pid ", 42, ": ", name). Hex with hex(x).
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace suture {

template <typename... Parts>
std::string cat(const Parts &...parts) {
  std::string out;
  (fmt::format_to(std::back_inserter(out), "{}", parts), ...);
  return out;
}

// "a, b, c".
inline std::string joined(const std::vector<std::string> &texts, std::string_view between = ", ") {
  return fmt::format("{}", fmt::join(texts, between));
}

// As many as people read: "a, b, c and 9 more".
inline std::string joined_first_few(const std::vector<std::string> &texts) {
  constexpr size_t kFew = 5;
  if (texts.size() <= kFew) return joined(texts);
  return cat(joined({texts.begin(), texts.begin() + kFew}), " and ", texts.size() - kFew, " more");
}

inline std::string hex(uint64_t value) { return fmt::format("{:#x}", value); }

}  // namespace suture
