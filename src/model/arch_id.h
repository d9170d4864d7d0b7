// Names of the instruction set architectures Suture knows of; what they mean is in arch/.
#pragma once

#include <cstdint>
#include <string_view>

namespace suture {

enum class ArchId : uint8_t { unknown = 0, x86_64 = 1, i386 = 2, aarch64 = 3 };

inline std::string_view name_of(ArchId arch) {
  switch (arch) {
    case ArchId::x86_64: return "x86-64";
    case ArchId::i386: return "i386";
    case ArchId::aarch64: return "aarch64";
    case ArchId::unknown: break;
  }
  return "unknown";
}

}  // namespace suture
