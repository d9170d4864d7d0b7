#include "process/maps.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>

#include "base/cat.h"

namespace suture {
namespace {

// Cursor over one line; every step says whether the text was as expected.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : text_(text) {}
  bool number(uint64_t &out, int base) {
    const char *begin = text_.data();
    const auto [end, error] = std::from_chars(begin, begin + text_.size(), out, base);
    if (error != std::errc() || end == begin) return false;
    text_.remove_prefix(static_cast<size_t>(end - begin));
    return true;
  }
  bool literal(char wanted) {
    if (text_.empty() || text_[0] != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::string_view take(size_t count) {
    const std::string_view out = text_.substr(0, count);
    text_.remove_prefix(out.size());
    return out;
  }
  std::string_view rest() {
    while (!text_.empty() && text_[0] == ' ') text_.remove_prefix(1);
    return text_;
  }

 private:
  std::string_view text_;
};

std::optional<Mapping> parse_line(std::string_view line) {
  LineReader reader(line);
  uint64_t begin = 0;
  uint64_t end = 0;
  Mapping out;
  if (!reader.number(begin, 16) || !reader.literal('-') || !reader.number(end, 16) || !reader.literal(' ')) return {};
  const std::string_view perms = reader.take(4);
  uint64_t major_part = 0;
  uint64_t minor_part = 0;
  if (perms.size() != 4 || !reader.literal(' ') || !reader.number(out.offset, 16) || !reader.literal(' ') ||
      !reader.number(major_part, 16) || !reader.literal(':') || !reader.number(minor_part, 16) ||
      !reader.literal(' ') || !reader.number(out.inode, 10) || end <= begin)
    return {};
  out.range = {RunAddr(begin), end - begin};
  out.readable = perms[0] == 'r';
  out.writable = perms[1] == 'w';
  out.executable = perms[2] == 'x';
  out.shared = perms[3] == 's';
  out.device = makedev(static_cast<unsigned>(major_part), static_cast<unsigned>(minor_part));
  out.name = std::string(reader.rest().substr(0, kMaxMappingName));
  return out;
}

uint64_t distance(uint64_t a, uint64_t b) {
  return a > b ? a - b : b - a;
}

}  // namespace

Result<Maps> Maps::parse(std::string_view text) {
  Maps out;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    std::optional<Mapping> mapping = parse_line(line);
    if (!mapping) return Error::corrupt(cat("cannot read the line of the memory map: ", line.substr(0, 100)));
    if (out.mappings_.size() >= kMaxMappings) return Error::refused("the process has more than 1048576 mappings");
    // Ascending and apart, so that lookups may bisect. The kernel prints them so; a torn read between two system calls
    // can repeat or drop one when the process maps meanwhile.
    if (!out.mappings_.empty() && mapping->range.begin < out.mappings_.back().range.end()) continue;
    out.mappings_.push_back(std::move(*mapping));
  }
  return out;
}

const Mapping *Maps::at(RunAddr where) const {
  const auto after = std::upper_bound(mappings_.begin(), mappings_.end(), where,
                                      [](RunAddr at, const Mapping &m) { return at < m.range.begin; });
  if (after == mappings_.begin()) return nullptr;
  const Mapping &candidate = *std::prev(after);
  return candidate.range.contains(where) ? &candidate : nullptr;
}

Maps Maps::with(const std::vector<RunRange> &taken) const {
  Maps out = *this;
  for (const RunRange &range : taken) {
    Mapping mapping;
    mapping.range = range;
    out.mappings_.push_back(std::move(mapping));
  }
  std::sort(out.mappings_.begin(), out.mappings_.end(),
            [](const Mapping &a, const Mapping &b) { return a.range.begin < b.range.begin; });
  return out;
}

bool Maps::covers(RunRange range) const {
  RunAddr at = range.begin;
  while (at < range.end()) {
    const Mapping *mapping = this->at(at);
    if (mapping == nullptr) return false;
    at = mapping->range.end();
  }
  return true;
}

std::optional<RunAddr> Maps::find_gap(uint64_t size_bytes, RunAddr low, RunAddr high, RunAddr near) const {
  std::optional<RunAddr> best;
  const auto consider = [&](uint64_t gap_begin, uint64_t gap_end) {
    gap_begin = std::max(gap_begin, low.value);
    gap_end = std::min(gap_end, high.value);
    if (gap_end <= gap_begin || gap_end - gap_begin < size_bytes) return;
    const uint64_t wanted = std::clamp(near.value, gap_begin, gap_end - size_bytes);
    if (!best || distance(wanted, near.value) < distance(best->value, near.value)) best = RunAddr(wanted);
  };
  // A page stays free on either side, so that a neighbour's overrun still faults. Stacks grow down into the gap below
  // them: that gap is left alone from kStackReserve below.
  constexpr uint64_t kGuard = 4096;
  constexpr uint64_t kStackReserve = uint64_t{1} << 30;
  uint64_t free_from = 0x10000;  // vm.mmap_min_addr
  for (const Mapping &mapping : mappings_) {
    const uint64_t keep = mapping.name == "[stack]" ? kStackReserve : kGuard;
    const uint64_t begin = mapping.range.begin.value;
    if (begin > free_from + keep) consider(free_from + kGuard, begin - keep);
    // The heap grows up from [heap], or from behind the program when it has none yet; callers ask below it first.
    free_from = std::max(free_from, mapping.range.end().value + (mapping.name == "[heap]" ? kStackReserve : 0));
  }
  consider(free_from + kGuard, uint64_t{1} << 47);
  return best;
}

}  // namespace suture
