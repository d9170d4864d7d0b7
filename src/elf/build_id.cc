#include "elf/build_id.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "base/byte_reader.h"

namespace suture {
namespace {

constexpr size_t kMaxIdBytes = 64;

}  // namespace

ByteView find_build_id(ByteView notes, uint64_t alignment) {
  // Names and contents are padded to 4 bytes but in segments of alignment 8, whatever else the header says (binutils
  // reads them so).
  const uint64_t unit = alignment == 8 ? 8 : 4;
  ByteReader reader(notes);
  // From the start of the notes: a header of 12 bytes and a name of 4 need none, in either alignment.
  const auto padding = [&] { return (unit - reader.offset() % unit) % unit; };
  while (reader.remaining() >= 12) {
    const uint32_t name_bytes = reader.u32();
    const uint32_t desc_bytes = reader.u32();
    const uint32_t type = reader.u32();
    const ByteView name = reader.take(name_bytes);
    reader.skip(padding());
    const ByteView desc = reader.take(desc_bytes);
    if (!reader.ok()) return {};
    if (type == NT_GNU_BUILD_ID && name.size() == 4 && std::memcmp(name.data(), "GNU", 4) == 0 && !desc.empty() &&
        desc.size() <= kMaxIdBytes)
      return desc;
    reader.skip(std::min<uint64_t>(padding(), reader.remaining()));
  }
  return {};
}

}  // namespace suture
