// x86-64 code that keeps a block of variables for each thread (arch.h, ThreadBlockCode).
#pragma once

#include "arch/arch.h"

namespace suture::x86 {

ThreadBlockCode thread_block_code();

}  // namespace suture::x86
