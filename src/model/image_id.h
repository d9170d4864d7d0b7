// What names one build of an image. ELF build-id now; PE (timestamp, size) or PDB GUID later: a kind and bytes.
#pragma once

#include <compare>
#include <string>

#include "base/bytes.h"
#include "base/hash.h"

namespace suture {

struct ImageId {
  enum class Kind : uint8_t { none = 0, elf_build_id = 1 };
  Kind kind = Kind::none;
  Bytes bytes;
  auto operator<=>(const ImageId &) const = default;
  std::string text() const { return kind == Kind::none ? "none" : to_hex(bytes); }
};

}  // namespace suture
