#include "diff/base_items.h"

#include <algorithm>

namespace suture {
namespace {

bool holds(const Image &image, LinkAddr at, ByteView content) {
  const Segment *segment = image.segment_at(at);
  const ByteView there = image.at(at, content.size());
  return segment != nullptr && !segment->writable && std::equal(there.begin(), there.end(), content.begin(), content.end());
}

bool may_be_shared(const ObjectSection &section) { return section.is_merged() || section.is_constant(); }

}  // namespace

BaseItems::BaseItems(CodeCache &pre, const Solution &solution, const Image &image) {
  for (const auto &[place, address] : solution.items()) {
    const ObjectSection &section = pre.program().section(place);
    if (!may_be_shared(section)) continue;
    const ByteView content = pre.item(place);
    if (!content.empty() && !section.has_edges_in(place.item, content.size()) && holds(image, address, content))
      known_.emplace(as_text(content), Known{address, pre.program().object(place.object).path, section.is_merged()});
  }
}

std::optional<LinkAddr> BaseItems::find(ByteView content, const std::string &object_path, const ObjectSection &section) const {
  if (!may_be_shared(section)) return std::nullopt;
  std::optional<LinkAddr> found;
  const auto [first, last] = known_.equal_range(as_text(content));
  for (auto it = first; it != last; ++it) {
    const Known &item = it->second;
    if (item.merged != section.is_merged() || (section.alignment > 1 && item.at.value % section.alignment != 0)) continue;
    if (item.object_path == object_path) return item.at;
    if (!found && item.merged) found = item.at;
  }
  return found;
}

}  // namespace suture
