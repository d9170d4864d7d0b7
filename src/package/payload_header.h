// The first 24 bytes of a payload, fixed in size and place (docs/formats/package.md):
//   0  magic "SUTPKG1\n"   the digit is the version of this layout
//   8  u32 manifest_bytes
//  12  u32 zero
//  16  u64 payload_bytes   from the magic to the end of the file
// then the manifest, then the compressed blobs in the order in which the manifest names them.
#pragma once

#include <optional>
#include <string_view>

#include "base/byte_reader.h"
#include "base/bytes.h"

namespace suture {

inline constexpr std::string_view kPayloadMagic = "SUTPKG1\n";
inline constexpr size_t kPayloadHeaderBytes = 24;

struct PayloadHeader {
  uint32_t manifest_bytes = 0;
  uint64_t payload_bytes = 0;
};

// Of this or another version of the layout.
inline bool looks_like_payload(ByteView payload) {
  return as_text(payload).starts_with(kPayloadMagic.substr(0, 6));
}

inline std::optional<PayloadHeader> read_payload_header(ByteView payload) {
  ByteReader reader(payload);
  if (as_text(reader.take(kPayloadMagic.size())) != kPayloadMagic) return std::nullopt;
  PayloadHeader header;
  header.manifest_bytes = reader.u32();
  const uint32_t zero = reader.u32();
  header.payload_bytes = reader.u64();
  if (!reader.ok() || zero != 0) return std::nullopt;
  return header;
}

}  // namespace suture
