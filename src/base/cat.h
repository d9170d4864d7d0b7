// Building short texts: cat("pid ", 42, ": ", name). Hex with hex(x).
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace suture {

template <typename... Parts>
std::string cat(const Parts &...parts) {
  std::string out;
  (fmt::format_to(std::back_inserter(out), "{}", parts), ...);
  return out;
}

inline std::string hex(uint64_t value) { return fmt::format("{:#x}", value); }

}  // namespace suture
