// Code that a target already has and through which a thread of it runs calls for us.
#pragma once

#include "process/process.h"

namespace suture {

struct Gadgets {
  RunAddr syscall_ret;  // syscall; ret
  RunAddr sigreturn;    // mov $15, %eax; syscall
};
Result<Gadgets> find_gadgets(const Process &process, const Maps &maps);

}  // namespace suture
