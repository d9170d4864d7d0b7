// Thread-local accesses in the patch's code. The compiler wrote them without knowing what the linker knew of the base: a general-dynamic
// access wants a pair of GOT slots that the base does not have, because its own accesses were turned into shorter ones, or because it
// has none to this variable. The code is then brought into the form that the base allows (arch: tls_forms), or calls a stub.
#pragma once

#include "diff/binder.h"

namespace suture {

struct Binder::TlsSite {
  uint32_t object = 0;
  uint32_t section = 0;
  uint32_t edge = 0;
  std::span<uint8_t> contents;  // of the section, as the patch carries them
};

// The edge belongs to a sequence of instructions rather than to one field.
bool reaches_tls_by_code(EdgeKind kind);

}  // namespace suture
