// One version of a Debian source package, fetched and unpacked: the tree that its binaries were built from, patches applied.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "debian/apt.h"
#include "debian/build_root.h"
#include "debian/version.h"

namespace suture {

// In a source's folder once it is all there.
inline constexpr const char *kFetchedMark = "fetched";

struct FetchedSource {
  std::string version;
  std::filesystem::path folder;  // the .dsc and what it names; the tree once it is unpacked
  std::filesystem::path dsc;
  std::vector<std::string> packages;  // the binary packages that it makes
  std::vector<std::string> notes;     // what was not to be had as it was published
  std::filesystem::path tree() const { return folder / "tree"; }
};

// The version of the source that is meant by what was asked: see choose_version.h.
Result<std::string> resolve_version(const Apt &apt, const SourceName &asked);
Result<FetchedSource> fetch_source(const Apt &apt, const SourceName &name, const std::filesystem::path &folder, const Say &say);
// Unpacks as dpkg-source does, by the root's own dpkg-source and without privileges.
Status unpack_source(const FetchedSource &source, const BuildRoot &root, const Say &say);

// A patch named out of the series of a version of the package: "1.0-2/CVE-1.patch", "1.0-2/upstream/CVE-1.patch".
struct SeriesPatch {
  std::string version;
  std::string name;  // below debian/patches
};
std::optional<SeriesPatch> parse_series_patch(std::string_view text);
// The file of an unpacked source; refused when its series has no such patch, telling what it has.
Result<std::filesystem::path> find_series_patch(const FetchedSource &source, const std::string &name);
// The same of several, in the order of the series.
Result<std::vector<std::filesystem::path>> find_series_patches(const FetchedSource &source, const std::vector<std::string> &names);

}  // namespace suture
