// Machine code that gives variables of a running program new values, for x86-64 (diff/value_writer.h).
#pragma once

#include "arch/arch.h"

namespace suture {

ValueWriterCode x86_value_writer();

}  // namespace suture
