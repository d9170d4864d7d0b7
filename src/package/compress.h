// zstd, with the size of what comes out known beforehand.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace suture {

Result<Bytes> compress(ByteView bytes);
// Exactly one frame that yields exactly `size_bytes`. Memory grows with what was really produced, never ahead of it: a
// few bytes that claim a gigabyte cost nothing.
Result<Bytes> decompress(ByteView compressed, uint64_t size_bytes);

}  // namespace suture
