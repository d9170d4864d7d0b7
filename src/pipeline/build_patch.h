// From a source fix and the shipped binaries to a package: the offline pipeline, read top to bottom in build_patch.cc.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "build/driver.h"
#include "diff/compare.h"
#include "diff/make_patch.h"
#include "diff/run_pre.h"
#include "package/package.h"
#include "review/review.h"

namespace suture {

struct BuildPatchRequest {
  BuildRequest build;              // trees, command, images
  std::string id;
  uint64_t sequence = 1;
  std::string version;
  std::string description;
  std::vector<std::string> cves;
  std::vector<std::string> requires_ids;
  std::vector<std::string> supersedes_ids;
  std::set<std::string> allowed;   // "kind:item" or "item" of hazards that the author allows
  std::map<std::string, std::string> data;  // changed variables: "keep" or "write-if-old" (PackageHazard::settled)
  std::set<std::string> left;      // changed functions that the author wants to stay as they are
};

// What happened to one image, for people and --json.
struct ImageReport {
  std::string path;
  std::string output_path;
  ImageId build_id;
  uint64_t base_bytes = 0;
  MatchTotals match;
  std::vector<Difference> differences;
  std::vector<std::string> object_of_difference;  // beside `differences`
  std::vector<PatchedFunction> functions;
  std::vector<Hazard> hazards;
  std::vector<std::string> notes;  // what could not be checked, and changes found harmless
  std::vector<std::string> not_in_image;
  std::vector<Difference> left;  // changed functions that stay as they are
  uint64_t code_and_data_bytes = 0;
  uint64_t hot_bytes = 0;
  uint64_t cold_bytes = 0;
  double seconds = 0;  // reading, differencing, matching, linking and writing
};

struct BuildPatchReport {
  std::vector<ImageReport> images;
  std::vector<std::string> unaffected;  // images of the request in which nothing changes
  std::vector<std::string> unread;      // files of the fix that no compilation reads: the patch comes without them
  double pre_seconds = 0;
  double post_seconds = 0;
  size_t objects = 0;
  size_t changed_objects = 0;
  bool no_change = false;               // the fix changes no object code of any image
  Review review;  // goes into the package, for people
  Package package;
};

// `report` is filled as far as the pipeline came, also when it refuses.
Status build_patch(const BuildPatchRequest &request, BuildPatchReport &report);

}  // namespace suture
