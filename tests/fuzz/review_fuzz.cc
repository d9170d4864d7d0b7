// Any bytes as a package's review: refused, or written again to bytes that read back the same; and what is drawn of it
// holds together whatever the names are.
#include "review/review.h"

#include <cstdlib>

#include "fuzz.h"
#include "review/call_graph.h"
#include "review/side_by_side.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto review = read_review({data, size});
  if (!review) return 0;
  const auto again = read_review(write_review(*review));
  if (!again || *again != *review) std::abort();
  for (const ReviewImage &image : review->images) (void)draw_call_graph(image);
  for (const ReviewFile &file : review->files)
    for (const ReviewHunk &hunk : file.hunks) (void)split_hunk(hunk);
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  Review review;
  ReviewImage &image = review.images.emplace_back();
  image.path = "/usr/bin/seed";
  image.functions.push_back(
      {"f", "f.o", "f.c", "size 1 -> 2", {{"g", "call", false}, {"h", "address", true}}, {"main", "table"}});
  image.names = {{16, "g"}, {32, "h"}};
  review.files.push_back({"f.c", "changed", {{3, 3, " a\n-b\n+c\n d\n"}}, false});
  return {write_review(review), write_review({})};
}
