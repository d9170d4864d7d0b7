// The function that is patched. It is as short as a function can be that still has room for a redirect, so that the cost of a call
// through the redirect is not hidden behind what the function does.
#include "target.h"

uint64_t answer(uint64_t value) {
  uint64_t result = value * 3;
  return result ^ 0x1001;
}
