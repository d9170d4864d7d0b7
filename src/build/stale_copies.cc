#include "build/stale_copies.h"

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"
#include "build/tree.h"

namespace suture {

namespace fs = std::filesystem;

void StaleCopies::note(const fs::path &file, ByteView content) {
  if (!content.empty()) old_.emplace(file.filename().string(), Old{to_hex(sha256(content)), file});
}

std::set<std::string> StaleCopies::namesakes_read(const Records &records, const fs::path &seen) const {
  std::set<std::string> read, relative;
  for (const CompileRecord &compile : records.compiles)
    for (const std::string &file : compile.dependencies)
      if (old_.contains(fs::path(file).filename().string())) read.insert(file);
  for (const std::string &file : read) {
    const fs::path path = path_below(seen, file);
    if (!path.empty()) relative.insert(path.string());
  }
  return relative;
}

std::vector<fs::path> StaleCopies::originals_of(const fs::path &tree, const fs::path &copy) const {
  std::vector<fs::path> originals;
  const Result<Digest> content = sha256_of_file(tree / copy);
  if (!content) return originals;
  const std::string digest = to_hex(*content);
  const auto [first, last] = old_.equal_range(copy.filename().string());
  for (auto it = first; it != last; ++it)
    if (it->second.digest == digest) originals.push_back(it->second.file);
  return originals;
}

bool StaleCopies::were_read(const Records &records, const fs::path &seen, const fs::path &tree) const {
  const std::set<std::string> read = namesakes_read(records, seen);
  return std::any_of(read.begin(), read.end(), [&](const std::string &file) { return !originals_of(tree, file).empty(); });
}

Result<std::set<std::string>> StaleCopies::bring_along(const Records &records, const fs::path &seen, const fs::path &tree,
                                                       const fs::path &source) const {
  std::set<std::string> moved;
  for (const std::string &file : namesakes_read(records, seen)) {
    std::error_code error;
    const bool is_copy = fs::symlink_status(tree / file, error).type() == fs::file_type::regular && !fs::exists(source / file, error);
    const std::vector<fs::path> originals = is_copy ? originals_of(tree, file) : std::vector<fs::path>();
    if (originals.size() != 1) continue;  // of several that were equal, it cannot be told whose it is
    const WantedFile now = TRY(read_wanted(tree / originals[0]));
    if (now.type == WantedFile::Type::regular && TRY(put_wanted(tree / file, now))) moved.insert(file);
  }
  return moved;
}

}  // namespace suture
