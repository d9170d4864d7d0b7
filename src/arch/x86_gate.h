// x86-64 code of gates (arch.h, GateCode).
#pragma once

#include "arch/arch.h"

namespace suture::x86 {

GateCode gate_code();

}  // namespace suture::x86
