// The manifest of a package as JSON (docs/formats/manifest.md), both ways. Reading is strict: limits on every size,
// types and forms checked, a name given twice refused. Fields that this version does not know are left alone and named.
#pragma once

#include <string>
#include <string_view>

#include "package/package.h"

namespace suture {

inline constexpr uint32_t kManifestSchema = 1;

inline constexpr size_t kMaxManifestBytes = size_t{16} << 20;
inline constexpr size_t kMaxManifestDepth = 12;
inline constexpr size_t kMaxImages = 64;
inline constexpr size_t kMaxFunctionsPerImage = 65536;
inline constexpr size_t kMaxHazards = 65536;
inline constexpr size_t kMaxListEntries = 4096;             // CVEs, requires, supersedes
inline constexpr size_t kMaxNameBytes = 16384;              // a C++ symbol
inline constexpr size_t kMaxTextBytes = size_t{256} << 10;  // description, detail of a hazard
inline constexpr size_t kMaxPathBytes = 4096;
inline constexpr uint64_t kMaxSequence = (uint64_t{1} << 53) - 1;  // what every JSON reader keeps exactly
inline constexpr uint64_t kMaxBlobBytes = uint64_t{1} << 30;
inline constexpr uint64_t kMaxImageFileBytes = uint64_t{4} << 30;

// hot and cold of each image are empty in what is read; hot_blob and cold_blob say what follows the manifest.
Result<Package> read_manifest(std::string_view json);
// Fails on a package that read_manifest() would refuse.
Result<std::string> write_manifest(const Package &package);

// The rules about contents that are not about JSON; both directions use them.
Status check_package(const Package &package);

}  // namespace suture
