// Where a patch stands among others of its image: which of two is newer, and whether one contains the other's fixes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace suture {

inline constexpr size_t kMaxSuperseded = 4096;  // ids in one list

struct Lineage {
  std::string id;
  uint64_t sequence = 1;                // grows with each package of one id
  std::vector<std::string> supersedes;  // ids of patches whose fixes this one contains
  auto operator<=>(const Lineage &) const = default;

  bool same_as(const Lineage &other) const { return id == other.id && sequence == other.sequence; }
  // It contains the other's fixes, so the other goes when this one comes.
  bool replaces(const Lineage &other) const {
    if (id == other.id) return sequence > other.sequence;
    return std::find(supersedes.begin(), supersedes.end(), other.id) != supersedes.end();
  }
};

}  // namespace suture
