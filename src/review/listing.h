// Old and new machine code of what a package replaces, as lines of assembly text. Everything comes from the package's
// own binaries: new code from the hotpatch, old code from the coldpatch with the bytes that its redirects cover put
// back from the validations (which is what apply compares with). A review only adds names.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "package/package.h"
#include "review/review.h"

namespace suture {

struct ListingLine {
  uint64_t address = 0;  // link address in the base (old), offset in the patch (new)
  std::string text;
  std::string key;  // the text without what moves when code is inserted: equal for equal operations
};

struct FunctionListing {
  std::string name;
  std::vector<ListingLine> old_lines;  // empty: new
  std::vector<ListingLine> new_lines;
};

// One per replaced function, then one per function that the patch adds, each with its split-off parts. `names` may be
// null. The binaries are not trusted.
Result<std::vector<FunctionListing>> list_functions(const PackageImage &image, const ReviewImage *names);

}  // namespace suture
