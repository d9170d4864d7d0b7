#include "diff/base_items.h"

#include <algorithm>

namespace suture {
namespace {

using Kind = ObjectSection::Kind;

bool holds(const Image &image, LinkAddr at, ByteView content) {
  const Segment *segment = image.segment_at(at);
  const ByteView there = image.at(at, content.size());
  return segment != nullptr && !segment->writable && std::equal(there.begin(), there.end(), content.begin(), content.end());
}

}  // namespace

BaseItems::BaseItems(CodeCache &pre, const Solution &solution, const Image &image) {
  for (const auto &[place, address] : solution.items()) {
    const ObjectSection &section = pre.program().section(place);
    if ((section.kind != Kind::strings && section.kind != Kind::constants) || !section.edges.empty()) continue;
    const ByteView content = pre.item(place);
    if (!content.empty() && holds(image, address, content))
      known_[Bytes(content.begin(), content.end())].push_back({address, pre.program().object(place.object).path});
  }
}

std::optional<LinkAddr> BaseItems::find(const Bytes &content, const std::string &object_path, uint64_t alignment) const {
  const auto known = known_.find(content);
  if (known == known_.end()) return std::nullopt;
  std::optional<LinkAddr> found;
  for (const Known &item : known->second) {
    if (alignment > 1 && item.at.value % alignment != 0) continue;
    if (item.object_path == object_path) return item.at;
    if (!found) found = item.at;
  }
  return found;
}

}  // namespace suture
