// Lists the members of an ar archive (GNU and thin format). The bytes come from the build's own archives, but are
// parsed as untrusted all the same.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace suture {

struct ArchiveMember {
  std::string name;
  ByteView bytes;                  // within the archive's bytes; empty in a thin archive
  std::filesystem::path external;  // thin archive: the file that holds the member, relative to the archive's folder
};

bool is_archive(ByteView bytes);
Result<std::vector<ArchiveMember>> list_archive(ByteView bytes);

}  // namespace suture
