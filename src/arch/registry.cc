// The list of architectures: the one place that enumerates them.
#include "arch/arch.h"
#include "arch/x86_64.h"

namespace suture {

const Arch *find_arch(ArchId id) {
  for (const Arch *arch : {&kArchX86_64})
    if (arch->id == id) return arch;
  return nullptr;
}

}  // namespace suture
