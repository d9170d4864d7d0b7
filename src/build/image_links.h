// Which of a build's links made the images that are to be patched, and from what.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "base/result.h"
#include "build/driver.h"
#include "build/link_view.h"

namespace suture {

// The links of one of the two builds, and the linked files that its tree holds.
struct BuiltLinks {
  const LinkView &view;
  const OutputIndex &index;
};

// The outputs that images may come from, as the build sees their paths; none where that cannot be told, which means all. Refused when an
// image is none of the build's outputs.
Result<std::optional<std::set<std::string>>> outputs_of_images(const BuildRequest &request, const LinkView &pre, const OutputIndex &index,
                                                               const std::filesystem::path &seen, const std::filesystem::path &store);

// The image's link in both builds.
Result<LinkedImage> link_image(const BuildRequest::Image &image, const BuiltLinks &pre, const BuiltLinks &post, const std::filesystem::path &store);

}  // namespace suture
