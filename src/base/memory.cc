#include "base/memory.h"

#include <malloc.h>

namespace suture {

void give_back_free_memory() {
#ifdef __GLIBC__
  (void)malloc_trim(0);  // says whether there was any
#endif
}

void give_back_large_blocks() {
#ifdef __GLIBC__
  constexpr int kLargeBytes = 256 << 10;
  (void)mallopt(M_MMAP_THRESHOLD, kLargeBytes);  // which also keeps it from growing
#endif
}

}  // namespace suture
