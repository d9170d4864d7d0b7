#include "model/hot_image.h"

#include <algorithm>

namespace suture {

std::string_view name_of(Hook::Kind kind) {
  switch (kind) {
    case Hook::Kind::pre_apply:
      return "pre-apply";
    case Hook::Kind::post_apply:
      return "post-apply";
    case Hook::Kind::pre_revert:
      return "pre-revert";
    case Hook::Kind::post_revert:
      return "post-revert";
  }
  return "?";
}

uint64_t HotImage::span_bytes() const {
  uint64_t end = 0;
  for (const HotSegment &segment : segments) end = std::max(end, segment.address.value + segment.memory_bytes);
  return (end + kPageBytes - 1) / kPageBytes * kPageBytes;
}

}  // namespace suture
