#include "build/unread_changes.h"

#include <optional>
#include <set>

#include "build/build_inputs.h"
#include "build/line_anchor.h"
#include "build/passed_over.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

// Names without folders: a package may compile copies of its files. None: not known.
std::optional<std::set<std::string>> names_read(const Records &records) {
  std::set<std::string> names;
  for (const CompileRecord &compile : records.compiles) {
    if (compile.dependencies.empty() && !compile.sources.empty() && is_anchorable(compile.sources.front(), {})) return std::nullopt;
    for (const auto *files : {&compile.sources, &compile.dependencies})
      for (const std::string &file : *files) names.insert(fs::path(file).filename().string());
  }
  return names;
}

}  // namespace

Result<std::vector<std::string>> unread_changes(const std::vector<TreeChange> &changes, const Records &records, const fs::path &pre_dir,
                                                const fs::path &post_dir) {
  std::vector<std::string> unread;
  const std::optional<std::set<std::string>> read = names_read(records);
  if (!read) return unread;
  for (const TreeChange &change : changes) {
    if (!is_source_path(change.path) || is_beside_program(change.path)) continue;
    if (read->contains(fs::path(change.path).filename().string())) continue;
    const WantedFile file = TRY(read_wanted((change.kind == TreeChangeKind::removed ? pre_dir : post_dir) / change.path));
    if (file.type == WantedFile::Type::regular && is_anchorable(change.path, as_text(file.content))) unread.push_back(change.path);
  }
  return unread;
}

}  // namespace suture
