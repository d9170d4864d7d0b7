// The environment in which both builds run: the caller's, with everything fixed that would make two runs of one command
// differ (locale, time zone, build date), and the wrapper first in PATH.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace suture {

struct BuildRequest;

std::vector<std::string> build_environment(const BuildRequest &request, const std::filesystem::path &shim_folder);

// The date of the newest entry of a Debian changelog, in seconds since 1970; what dpkg-buildpackage puts in
// SOURCE_DATE_EPOCH.
std::optional<int64_t> changelog_date(std::string_view changelog);

}  // namespace suture
