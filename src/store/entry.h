// entry.json of a stored package, both ways (docs/formats/store.md).
#pragma once

#include "store/store.h"

namespace suture {

inline constexpr uint64_t kMaxEntryBytes = uint64_t{17} << 20;  // a manifest and a little

Result<std::string> write_entry(const StoredPackage &stored);
// `folder` is where the entry stands; the package file is named relative to it.
Result<StoredPackage> parse_entry(std::string_view json, const std::filesystem::path &folder);

}  // namespace suture
