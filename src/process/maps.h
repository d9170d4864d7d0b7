// /proc/PID/maps as data. The names in it are the target's choice: they are shown to people and compared with our own
// prefix, never opened. Identity is (device, inode) or what the memory itself says.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/address.h"

namespace suture {

struct Mapping {
  RunRange range;
  bool readable = false;
  bool writable = false;
  bool executable = false;
  bool shared = false;
  uint64_t offset = 0;
  uint64_t device = 0;
  uint64_t inode = 0;
  std::string name;  // as the kernel prints it, at most kMaxMappingName bytes
};

inline constexpr size_t kMaxMappings = 1u << 20;
inline constexpr size_t kMaxMappingName = 4096;

// Mappings in ascending order, with lookup by address.
class Maps {
 public:
  Maps() = default;
  static Result<Maps> parse(std::string_view text);

  const std::vector<Mapping> &all() const { return mappings_; }
  const Mapping *at(RunAddr where) const;
  // The same map with further ranges taken.
  Maps with(const std::vector<RunRange> &taken) const;
  // True when every byte of the range is mapped.
  bool covers(RunRange range) const;
  // Lowest address of a free range of `size_bytes` (a multiple of pages) that lies within [low, high); the candidate
  // nearest to `near` wins.
  std::optional<RunAddr> find_gap(uint64_t size_bytes, RunAddr low, RunAddr high, RunAddr near) const;

 private:
  std::vector<Mapping> mappings_;
};

}  // namespace suture
