#include "diff/base_items.h"

#include <algorithm>

namespace suture {
namespace {

bool holds(const Image &image, LinkAddr at, ByteView content) {
  const Segment *segment = image.segment_at(at);
  const ByteView there = image.at(at, content.size());
  return segment != nullptr && !segment->writable && std::equal(there.begin(), there.end(), content.begin(), content.end());
}

}  // namespace

BaseItems::BaseItems(CodeCache &pre, const Solution &solution, const Image &image) {
  for (const auto &[place, address] : solution.items()) {
    const ObjectSection &section = pre.program().section(place);
    if (!section.is_merged() && !section.is_constant()) continue;
    const ByteView content = pre.item(place);
    const bool has_edges = std::any_of(section.edges.begin(), section.edges.end(), [&, item = place.item](const Edge &edge) {
      return edge.offset >= item && edge.offset < item + content.size();
    });
    if (!content.empty() && !has_edges && holds(image, address, content))
      known_[Bytes(content.begin(), content.end())].push_back({address, pre.program().object(place.object).path, section.is_merged()});
  }
}

std::optional<LinkAddr> BaseItems::find(const Bytes &content, const std::string &object_path, const ObjectSection &section) const {
  const auto known = known_.find(content);
  if (known == known_.end()) return std::nullopt;
  std::optional<LinkAddr> found;
  for (const Known &item : known->second) {
    if (item.merged != section.is_merged() || (section.alignment > 1 && item.at.value % section.alignment != 0)) continue;
    if (item.object_path == object_path) return item.at;
    if (!found && item.merged) found = item.at;
  }
  return found;
}

}  // namespace suture
