#include "base/memory.h"

#include <malloc.h>

namespace suture {

void give_back_free_memory() {
#ifdef __GLIBC__
  (void)malloc_trim(0);  // says whether there was any
#endif
}

}  // namespace suture
