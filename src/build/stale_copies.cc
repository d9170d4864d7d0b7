#include "build/stale_copies.h"

#include <set>

#include "base/file.h"
#include "base/hash.h"

namespace suture {

namespace fs = std::filesystem;

void StaleCopies::note(const fs::path &file, ByteView content) {
  if (!content.empty()) old_.emplace(file.filename().string(), to_hex(sha256(content)));
}

bool StaleCopies::were_read(const Records &records, const fs::path &seen, const fs::path &tree) const {
  std::set<std::string> read;
  for (const CompileRecord &compile : records.compiles)
    for (const std::string &file : compile.dependencies)
      if (old_.contains(fs::path(file).filename().string())) read.insert(file);
  for (const std::string &file : read) {
    const fs::path relative = fs::path(file).lexically_relative(seen);
    if (relative.empty() || *relative.begin() == "..") continue;
    const Result<Bytes> content = read_file(tree / relative);
    if (!content) continue;
    const std::string digest = to_hex(sha256(*content));
    const auto [first, last] = old_.equal_range(relative.filename().string());
    for (auto it = first; it != last; ++it)
      if (it->second == digest) return true;
  }
  return false;
}

}  // namespace suture
