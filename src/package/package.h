// A `.hotpatch` package in memory (docs/formats/package.md): manifest and, for each image, the hot and the cold binary.
// Reading one takes two steps in this order, and the types allow no other: verify_package() (verify.h) looks only at
// raw bytes and a signature; decode_package() (format.h) takes what it returned and parses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"
#include "model/image_id.h"

namespace suture {

struct PackageFunction {
  std::string name;
  uint64_t old_size_bytes = 0;
  uint64_t new_size_bytes = 0;
  std::string reason;  // why it is in the patch
  auto operator<=>(const PackageFunction &) const = default;
};

struct PackageHazard {
  std::string kind;  // "layout", "data", "signature", "tls", "constructor", ...
  std::string item;  // the type, variable or function
  std::string detail;
  bool allowed = false;  // allowed by the author by name
  // Where it needs no allowance: what was found or done instead, one of kSettled. Empty: nothing.
  std::string settled;
  auto operator<=>(const PackageHazard &) const = default;
};

inline constexpr std::string_view kSettledByEvidence = "evidence";      // it is no hazard: `detail` says why
inline constexpr std::string_view kSettledByKeeping = "keep";           // the running value stays
inline constexpr std::string_view kSettledByWriting = "write-if-old";  // the new value is written where the running one is the old
inline constexpr std::string_view kSettledByBlocks = "per-thread";     // the patch keeps one for each thread
inline constexpr std::string_view kSettled[] = {kSettledByEvidence, kSettledByKeeping, kSettledByWriting, kSettledByBlocks};
// "by the author", "by evidence", ...; for people.
std::string settlement_of(const PackageHazard &hazard);

// What the manifest says about a binary in the package; filled by encode_package() and decode_package().
struct PackageBlob {
  uint64_t size_bytes = 0;        // 0: there is none
  uint64_t compressed_bytes = 0;  // as stored
  Digest digest{};                // SHA-256 of the uncompressed bytes
  auto operator<=>(const PackageBlob &) const = default;
};

struct PackageImage {
  std::string path;  // path of the base image on disk
  ImageId build_id;
  Digest digest{};  // SHA-256 of the base image
  uint64_t base_bytes = 0;
  std::vector<PackageFunction> functions;
  Bytes hot;   // .hp. file; empty if there is none, or it was not asked for
  Bytes cold;  // coldpatch; likewise
  PackageBlob hot_blob;
  PackageBlob cold_blob;
  auto operator<=>(const PackageImage &) const = default;
};

struct Package {
  std::string id;         // "redis-CVE-2025-49844"; [A-Za-z0-9][A-Za-z0-9._+-]{0,127}
  uint64_t sequence = 1;  // monotonic per id
  std::string version;
  std::string description;
  std::vector<std::string> cves;
  std::vector<std::string> requires_ids;
  std::vector<std::string> supersedes_ids;
  std::vector<PackageHazard> hazards;
  std::vector<PackageImage> images;
  Bytes review;  // for people only (src/review/, opaque here); empty if there is none, or it was not asked for
  PackageBlob review_blob;
  // Fields of the manifest that this version does not know and left alone ("images[0].flavour"); for a note to the
  // reader.
  std::vector<std::string> unknown_fields;
  auto operator<=>(const Package &) const = default;
};

// An id names files and is typed on command lines: no separator, no leading dot or dash.
bool is_package_id(std::string_view text);

}  // namespace suture
