// A build record of Debian's (.buildinfo): with which versions of which packages a shipped binary was built. Mirrors do not have them;
// buildinfos.debian.net and the build daemons' logs do.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace suture {

struct BuildInfo {
  std::string source, version;
  std::string build_path;                        // empty: not recorded
  std::map<std::string, std::string> installed;  // package -> version
};

// With or without the signature around it, which is not looked at: nothing is trusted for what it says.
Result<BuildInfo> parse_buildinfo(std::string_view text);

struct VersionDifference {
  std::string package, shipped_with, here;  // here: empty when it is not installed
};
// What was there when the shipped binary was built and is not, or not so, in `installed`.
std::vector<VersionDifference> compare_installed(const BuildInfo &info, const std::map<std::string, std::string> &installed);

}  // namespace suture
