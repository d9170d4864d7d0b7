// SHA-256 (libsodium) and hex text.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace suture {

using Digest = std::array<uint8_t, 32>;

Digest sha256(ByteView bytes);
// Of a file of any size, which is not held whole.
Result<Digest> sha256_of_file(const std::filesystem::path &path);
std::string to_hex(ByteView bytes);
std::optional<Bytes> from_hex(std::string_view text);

}  // namespace suture
