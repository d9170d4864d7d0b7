// SHA-256 (libsodium) and hex text.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace suture {

using Digest = std::array<uint8_t, 32>;

Digest sha256(ByteView bytes);
std::string to_hex(ByteView bytes);
std::optional<Bytes> from_hex(std::string_view text);

}  // namespace suture
