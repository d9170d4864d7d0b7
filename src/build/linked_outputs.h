// What was linked from what, before and after the fix.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"
#include "build/driver.h"
#include "build/link_view.h"

namespace suture {

struct PairedObjects {
  std::vector<ObjectPair> objects;       // in link order of post; removed ones last
  std::vector<ObjectPair> intermediate;  // of intermediate code, whose machine code is among `objects`
};

// The objects of one link in both builds.
Result<PairedObjects> pair_objects(const LinkView &pre, const LinkRecord &pre_link, const LinkView &post,
                                   const LinkRecord &post_link, const std::filesystem::path &store);

// Every program and shared library that both builds made, by path.
Result<std::vector<LinkedOutput>> linked_outputs(const LinkView &pre, const LinkView &post,
                                                 const std::filesystem::path &store);

}  // namespace suture
