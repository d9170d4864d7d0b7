// The review of a package as one HTML page that needs nothing else: no scripts, no fonts, no network.
#pragma once

#include <string>
#include <vector>

#include "package/package.h"
#include "review/listing.h"
#include "review/review.h"

namespace suture {

struct PageInput {
  const Package *package = nullptr;
  const Review *review = nullptr;                      // null: the package has none
  std::vector<std::vector<FunctionListing>> listings;  // beside package->images
  std::string signature;                               // one line on who signed
};

std::string make_page(const PageInput &input);

}  // namespace suture
