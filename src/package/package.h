// A `.hotpatch` package in memory (docs/formats/package.md): manifest and, for each image, the hot and the cold binary.
#pragma once

#include <string>
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
};

struct PackageHazard {
  std::string kind;  // "layout", "data", "signature", "tls", "constructor", ...
  std::string item;  // the type, variable or function
  std::string detail;
  bool allowed = false;  // allowed by the author by name
};

struct PackageImage {
  std::string path;       // path of the base image on disk
  ImageId build_id;
  Digest digest{};        // of the base image
  uint64_t base_bytes = 0;
  std::vector<PackageFunction> functions;
  Bytes hot;              // .hp. file
  Bytes cold;             // coldpatch
};

struct Package {
  std::string id;         // "redis-CVE-2025-49844"; [A-Za-z0-9._+-]{1,128}
  uint64_t sequence = 1;  // monotonic per id
  std::string version;
  std::string description;
  std::vector<std::string> cves;
  std::vector<std::string> requires_ids;
  std::vector<std::string> supersedes_ids;
  std::vector<PackageHazard> hazards;
  std::vector<PackageImage> images;
};

}  // namespace suture
