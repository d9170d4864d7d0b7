// A point in monotonic time by which something must have happened.
#pragma once

#include <time.h>

#include <cstdint>

namespace suture {

inline uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

struct Deadline {
  uint64_t at_ns = 0;
  static Deadline in_ms(uint64_t ms) { return {now_ns() + ms * 1000000u}; }
  static Deadline in_us(uint64_t us) { return {now_ns() + us * 1000u}; }
  bool passed() const { return now_ns() >= at_ns; }
  uint64_t left_ns() const {
    const uint64_t now = now_ns();
    return now >= at_ns ? 0 : at_ns - now;
  }
};

}  // namespace suture
