#include "model/image.h"

#include <algorithm>

namespace suture {

bool Image::exports(std::string_view name) const {
  return std::any_of(dynamic_symbols.begin(), dynamic_symbols.end(),
                     [&](const ImageSymbol &symbol) { return symbol.defined && symbol.name == name; });
}

LinkRange Image::span() const {
  if (segments.empty()) return {};
  uint64_t low = UINT64_MAX;
  uint64_t high = 0;
  for (const Segment &segment : segments) {
    low = std::min(low, segment.address.value);
    high = std::max(high, segment.address.value + segment.memory_bytes);
  }
  return {LinkAddr(low), high - low};
}

const Segment *Image::segment_at(LinkAddr at) const {
  for (const Segment &segment : segments)
    if (segment.range().contains(at)) return &segment;
  return nullptr;
}

ByteView Image::at(LinkAddr where, uint64_t size_bytes) const {
  const Segment *segment = segment_at(where);
  if (segment == nullptr) return {};
  const uint64_t into = where - segment->address;
  if (into >= segment->file_bytes) return {};
  const uint64_t offset = segment->offset.value + into;
  if (offset >= bytes.size()) return {};
  const uint64_t count = std::min({size_bytes, segment->file_bytes - into, bytes.size() - offset});
  return ByteView(bytes).subspan(static_cast<size_t>(offset), static_cast<size_t>(count));
}

}  // namespace suture
