// What a linker makes of thread-local accesses whose target it knows (psABI, "Linker Optimizations"; ELF Handling For
// Thread-Local Storage, 4.4). Matching compares an image with these forms; the patch's own code is brought into them where the base has no slots.
#pragma once

#include "arch/arch.h"

namespace suture::x86 {

std::vector<TlsForm> tls_forms(ByteView code, uint32_t field_at, EdgeKind access);
std::optional<TlsCall> tls_call(ByteView code, uint64_t field_at, EdgeKind access);
TlsStub tls_stub();

}  // namespace suture::x86
