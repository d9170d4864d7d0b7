// The binaries of one source version as Debian ships them: those installed on this host when they are exactly of that version and
// still as dpkg put them there, else those of the mirror, unpacked into a folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "debian/apt.h"
#include "debian/build_root.h"
#include "debian/choose_images.h"
#include "debian/source_package.h"

namespace suture {

struct ShippedFile {
  std::filesystem::path file;  // to read
  std::string package;
  ShippedFacts known;
  bool installed = false;  // on this host, as it is read
};

struct Shipped {
  std::vector<ShippedFile> files;      // every linked file of the architecture
  int64_t newest_seconds = 0;          // when the newest of them was changed last: no later than its package's changelog
  std::vector<std::string> notes;      // packages that were not to be had, files that could not be read
};

Result<Shipped> find_shipped(const Apt &apt, const BuildRoot &root, const SourceName &source, const std::vector<std::string> &packages,
                             const std::filesystem::path &folder, const Say &say);

}  // namespace suture
