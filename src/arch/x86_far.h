// Instructions that name a variable of another module as if it lay beside the code. Compilers write so for programs and leave it to the
// linker to copy the variable into the program; a patch cannot, since the variable is the running one, and it is out of reach.
#pragma once

#include "arch/arch.h"

namespace suture::x86 {

std::optional<FarForm> far_form(ByteView insn, uint32_t field_at, int64_t offset);

}  // namespace suture::x86
