// `suture build --debian`: everything that build_patch() needs, from the name of a source package and a fix: both trees, the root in
// which they are built, the shipped binaries, and which of them the fix reaches.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "debian/build_root.h"
#include "debian/buildinfo.h"
#include "debian/shipped.h"
#include "debian/source_package.h"
#include "pipeline/build_patch.h"

namespace suture {

struct DebianRequest {
  SourceName source;                           // as the shipped binaries were built from
  std::string to;                              // version that has the fix; empty: the patches are the fix
  std::vector<std::string> without;            // patches of that version's series that are no part of the fix
  // Applied in order to the source (that of `to`, if given) with all its own patches applied: files, or VERSION/NAME of another
  // version's series.
  std::vector<std::filesystem::path> patches;
  std::filesystem::path cache;                 // what packages share: the mirror's lists, the minimal system
  std::filesystem::path work;                  // of this package; empty: below the cache
  std::vector<std::string> packages;           // binary packages to patch; none: all that the source makes
  std::vector<std::string> images;             // installed paths of the shipped files to patch; none: all that the fix changes
  std::string build_command;                   // instead of debian/rules build-arch
  std::filesystem::path buildinfo;             // record of the shipped binaries' build; empty: there is none
  unsigned gcc = 0;                            // major version of the compiler; 0: by the date of the shipped files
  unsigned jobs = 0;
};

struct DebianReport {
  std::string source, version, to;
  std::string release, build_path;
  std::string compiler;  // "gcc-11"; empty: the release's default
  bool build_path_embedded = false;  // the shipped binary names it
  std::filesystem::path work;
  bool root_reused = false;
  double setup_seconds = 0;
  std::vector<std::string> changed_files;  // of the source, by the fix
  bool whole_tree = false;                 // they decide what is compiled and how: the tree is configured and built anew after the fix
  std::vector<std::string> candidates;     // shipped files that the fix may reach
  std::vector<std::string> shipped;    // files with code that the packages have
  std::vector<std::string> unshipped;  // outputs that the fix changes and no package ships
  std::vector<std::string> unmatched;  // shipped files whose link was not seen
  std::vector<VersionDifference> versions;  // by the record of the shipped binaries' build, where there is one
  std::vector<std::string> notes;      // what is not as when the shipped binary was built, and what cannot be known
};

// Fetches, makes the root and fills `build` with trees, command, place, and the choice of images. `report` must outlive `build`.
Status prepare_debian_build(const DebianRequest &request, BuildRequest &build, DebianReport &report, const Say &say);

// The same error; when what it met is a full file system, with what can be done about it.
Error with_advice_on_space(Error error, const std::filesystem::path &folder);

// The folder for what is kept between builds: SUTURE_BUILD_CACHE, else /var/cache/suture/build.
std::filesystem::path debian_cache_folder();

}  // namespace suture
