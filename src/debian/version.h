// Names of Debian source packages and their versions (Debian policy 5.6.12): epoch:upstream-revision.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace suture {

struct SourceName {
  std::string source;   // "redis"
  std::string version;  // "5:7.0.15-1~deb12u7"; empty: not said
};

// SRC or SRC=VERSION as given on the command line.
Result<SourceName> parse_source_name(std::string_view text);
bool is_package_name(std::string_view text);
bool is_version(std::string_view text);
std::string without_epoch(std::string_view version);
// "7.0.15" of "5:7.0.15-1~deb12u7": what names the folder that the source is unpacked in.
std::string upstream_version(std::string_view version);
// As dpkg orders them: negative, zero or positive.
int compare_versions(std::string_view a, std::string_view b);

}  // namespace suture
