// What a reviewer wants to read before signing a package, as the builder knew it: the source that changed, and for each
// function in the patch why it is in, what it refers to and who calls it. The code itself is not here: it is read from
// the package's own binaries (listing.h), so that a review can never show other code than that which will run.
//
// Travels in the package as one JSON document (docs/formats/review.md). Nothing acts on it: applying does not read it.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace suture {

// A thing that a function of the patch refers to.
struct ReviewReference {
  std::string to;         // its name, or the text of a string in quotes
  std::string how;        // "call", "address", "import", "tls"
  bool in_patch = false;  // comes along with the patch rather than being the running image's
  auto operator<=>(const ReviewReference &) const = default;
};

struct ReviewFunction {
  std::string name;
  std::string object;  // object file it was compiled into
  std::string source;  // its source file relative to the tree; empty when not known
  std::string reason;
  std::vector<ReviewReference> references;
  std::vector<std::string> callers;  // functions of the image that call or point to it
  auto operator<=>(const ReviewFunction &) const = default;
};

// Names of addresses in the base image, for disassembly.
struct ReviewName {
  uint64_t address = 0;  // link address
  std::string name;
  auto operator<=>(const ReviewName &) const = default;
};

struct ReviewImage {
  std::string path;
  std::vector<ReviewFunction> functions;
  std::vector<ReviewName> names;  // ascending by address, one per address
  auto operator<=>(const ReviewImage &) const = default;
};

struct ReviewHunk {
  uint64_t pre_line = 0, post_line = 0;  // of the first line, counted from 1
  std::string lines;                     // each begins with ' ', '-' or '+' and ends with LF
  auto operator<=>(const ReviewHunk &) const = default;
};

struct ReviewFile {
  std::string path;    // relative to the source tree
  std::string change;  // "changed", "added", "removed"
  std::vector<ReviewHunk> hunks;
  bool shortened = false;  // there was more than a package keeps
  auto operator<=>(const ReviewFile &) const = default;
};

struct Review {
  std::vector<ReviewImage> images;
  std::vector<ReviewFile> files;
  auto operator<=>(const Review &) const = default;
  const ReviewImage *image(const std::string &path) const;
};

// Limits that the reader enforces and the writer keeps to.
inline constexpr size_t kMaxReviewBytes = size_t{64} << 20;
inline constexpr size_t kMaxReviewEntries = 65536;        // in any one list
inline constexpr size_t kMaxReviewFileBytes = 256 << 10;  // of hunks per source file
inline constexpr size_t kMaxReviewNameBytes = 16 << 10;

Bytes write_review(const Review &review);
// The bytes are not trusted: Verdict::corrupt names the field that is wrong.
Result<Review> read_review(ByteView bytes);

}  // namespace suture
