// The table of x86-64; only registry.cc needs it.
#pragma once

#include "arch/arch.h"

namespace suture {

extern const Arch kArchX86_64;

}  // namespace suture
