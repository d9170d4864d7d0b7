// From what changed and where things are in the image: the pieces that the patch carries, every reference of theirs bound,
// and a redirect for each replaced function. Refuses what it cannot bind, and lists what would be unsafe (hazards).
#pragma once

#include <optional>
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "diff/code_cache.h"
#include "diff/compare.h"
#include "diff/run_pre.h"
#include "diff/twins.h"
#include "model/image.h"
#include "model/patch_object.h"

namespace suture {

// Something about the fix that is unsafe to apply to a running process unless the author says otherwise.
struct Hazard {
  std::string kind;    // "data", "layout", "tls", "constructor", "vtable", "signature", "coroutine", "removed", "redefined", "renamed"
  std::string item;    // the variable, type or function
  std::string detail;
  std::string settled;   // why or how it needs no allowance; empty when it does (PackageHazard::settled)
};

inline constexpr const char *kKeptPerThread = "per-thread";  // Hazard::settled: the patch keeps the variable (bind_thread_block.cc)

struct PatchedFunction {
  std::string name;
  uint64_t old_size_bytes = 0;
  uint64_t new_size_bytes = 0;
  std::string reason;
  bool added = false;  // new, not a replacement
  Place post;          // in the post objects
  std::optional<Place> pre;  // what it replaces
};

struct DiffInput {
  CodeCache *pre = nullptr;
  CodeCache *post = nullptr;
  const Twins *twins = nullptr;
  const Comparison *comparison = nullptr;
  const Solution *solution = nullptr;
  const Image *image = nullptr;
  const std::unordered_set<std::string> *linked_names = nullptr;  // that the pre build's own link of this image defines; empty or null when not known
  // The versions that the linker bound the post build's imports to; null when not known. An import without one would get the oldest.
  const std::map<std::string, std::string> *import_versions = nullptr;
  const std::vector<bool> *changed_objects = nullptr;  // those whose contents differ, debugging information included; null: any may
};

struct MadePatch {
  PatchObject object;
  std::vector<PatchedFunction> functions;
  std::set<Place> carried;  // post code that comes along, parts included
  std::vector<std::string> not_in_image;  // changed functions that this image does not contain
  std::vector<std::string> notes;         // decisions worth telling (--explain)
};

Result<MadePatch> make_patch(const DiffInput &input);

}  // namespace suture
