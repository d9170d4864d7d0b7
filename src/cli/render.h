// Texts about a package that are made of its review and its binaries, which may be hostile: read and rendered by a
// child process without privileges (package/contained.h), of which only the finished text comes back.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "package/package.h"
#include "review/listing.h"
#include "review/review.h"

namespace suture::cli {

struct Reviewed {
  const Package *package = nullptr;
  std::optional<Review> review;                        // none: the package carries none
  std::vector<std::vector<FunctionListing>> listings;  // beside package->images; empty without Listings::yes

  const ReviewImage *image(const PackageImage &image) const { return review ? review->image(image.path) : nullptr; }
  const std::vector<FunctionListing> &listings_of(const PackageImage &image) const;
};

enum class Listings { no, yes };

// What `render` makes of it. For listings the package must have been decoded with Blobs::all.
Result<std::string> render_contained(const Package &package, Listings listings,
                                     const std::function<Result<std::string>(const Reviewed &)> &render);

}  // namespace suture::cli
