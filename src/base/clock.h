// How long things take.
#pragma once

#include <time.h>

namespace suture {

// Seconds since some instant of the past; goes on at one pace, whoever sets the clock.
inline double seconds_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace suture
