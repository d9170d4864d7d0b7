#include "model/hot_image.h"

#include <algorithm>

namespace suture {

uint64_t HotImage::span_bytes() const {
  uint64_t end = 0;
  for (const HotSegment &segment : segments) end = std::max(end, segment.address.value + segment.memory_bytes);
  return (end + kPageBytes - 1) / kPageBytes * kPageBytes;
}

}  // namespace suture
