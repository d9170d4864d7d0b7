// What the benchmark's target tells about itself through a shared page, and the function that is patched.
#pragma once

#include <stdint.h>

struct report {
  volatile uint64_t readings;      // of the clock, by the thread that does nothing else
  volatile uint64_t largest_gap;   // between two of them, ns; the benchmark resets it to 0
  volatile uint64_t batches;       // of calls to answer(), in mode "calls"
  volatile uint64_t fastest_batch; // ns for BATCH_CALLS calls; the benchmark resets it to 0
  volatile uint64_t answer;        // what answer(0) gives now
  volatile uint64_t ready;         // every thread runs
};

enum { BATCH_CALLS = 100000 };

uint64_t answer(uint64_t value);
