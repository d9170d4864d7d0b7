// The build-id in the notes of an ELF file: type 3 of owner "GNU".
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace suture {

// A part of `notes`, the bytes of a note segment or section; empty when there is none.
ByteView find_build_id(ByteView notes, uint64_t alignment);

}  // namespace suture
