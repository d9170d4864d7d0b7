// What code does with the address of a thing, as far as it can be seen from the instructions behind the one that has
// it.
#pragma once

#include "arch/x86_common.h"

namespace suture::x86 {

AddressUse address_use(Mode mode, ByteView code, bool from_slot);

}  // namespace suture::x86
