// Which pre section is the same thing as which post section. Names decide where they are unique; where the compiler numbers
// things (static locals, clones), use decides: two functions with equal code name their operands in the same order.
#pragma once

#include <optional>
#include <vector>

#include "diff/code_cache.h"

namespace suture {

class Twins {
 public:
  // `changed[o]`: object o was compiled again with another result. The others are their own twins.
  static Twins make(CodeCache &pre, CodeCache &post, const std::vector<bool> &changed);

  std::optional<uint32_t> pre_of(uint32_t object, uint32_t post_section) const;
  std::optional<uint32_t> post_of(uint32_t object, uint32_t pre_section) const;
  // The section might be the twin of several, and nothing decided.
  bool ambiguous(uint32_t object, uint32_t post_section) const;

 private:
  friend class TwinFinder;
  struct ObjectTwins {
    bool identical = true;
    std::vector<std::optional<uint32_t>> pre_of;
    std::vector<std::optional<uint32_t>> post_of;
    std::vector<bool> ambiguous;
  };
  std::vector<ObjectTwins> objects_;
};

}  // namespace suture
