// One version of a Debian source package, fetched and unpacked: the tree that its binaries were built from, patches applied.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "debian/apt.h"
#include "debian/build_root.h"
#include "debian/version.h"

namespace suture {

struct FetchedSource {
  std::string version;
  std::filesystem::path folder;  // the .dsc and what it names; the tree once it is unpacked
  std::filesystem::path dsc;
  std::vector<std::string> packages;  // the binary packages that it makes
  std::vector<std::string> notes;     // what was not to be had as it was published
  std::filesystem::path tree() const { return folder / "tree"; }
};

// The version to take when none was given: the one installed on this host, else the newest.
Result<std::string> choose_version(const Apt &apt, const std::string &source);
Result<FetchedSource> fetch_source(const Apt &apt, const SourceName &name, const std::filesystem::path &folder, const Say &say);
// Unpacks as dpkg-source does, by the root's own dpkg-source and without privileges.
Status unpack_source(const FetchedSource &source, const BuildRoot &root, const Say &say);

}  // namespace suture
