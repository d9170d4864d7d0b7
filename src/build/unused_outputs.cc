#include "build/unused_outputs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <optional>

#include "base/file.h"
#include "build/object_store.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr time_t kMarkSeconds = 3600;  // before the time of modification; no read ever sets the time of access to that
constexpr unsigned kProgramMode = 0777;  // less the umask, as linkers do

std::optional<struct stat> regular_file(const fs::path &file) {
  struct stat info {};
  if (::lstat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return info;
}

void set_mark(const fs::path &file, timespec modified) {
  timespec mark = modified;
  mark.tv_sec -= kMarkSeconds;
  const timespec times[] = {mark, modified};
  (void)::utimensat(AT_FDCWD, file.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

fs::path on_this_machine(const std::string &output, const TreePlaces &tree) {
  const fs::path below = path_below(tree.seen, output);
  return below.empty() ? fs::path() : tree.here / below;
}

std::map<std::string, int> number_of_links(const Records &records) {
  std::map<std::string, int> links;
  for (const LinkRecord &link : records.links) ++links[link.output];
  return links;
}

}  // namespace

void mark_unread(const fs::path &file) {
  if (const auto info = regular_file(file)) set_mark(file, info->st_mtim);
}

bool is_marked_unread(const fs::path &file) {
  const auto info = regular_file(file);
  return info && info->st_atim.tv_nsec == info->st_mtim.tv_nsec && info->st_atim.tv_sec == info->st_mtim.tv_sec - kMarkSeconds;
}

bool spare_link(const fs::path &output, const std::string &content, const fs::path &store) {
  if (fs::symlink_status(output).type() == fs::file_type::not_found) {
    if (!ObjectStore(store).copy_out(content, output, kProgramMode)) return false;
  } else {
    const timespec now[] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
    if (!is_marked_unread(output) || ::utimensat(AT_FDCWD, output.c_str(), now, AT_SYMLINK_NOFOLLOW) != 0) return false;
  }
  mark_unread(output);
  return is_marked_unread(output);
}

bool keeps_access_times(const fs::path &folder) {
  const Result<TempDir> place = TempDir::create("times", folder);
  if (!place) return false;
  const fs::path file = place->path() / "file";
  if (!write_file_quick(file, as_bytes("read"))) return false;
  mark_unread(file);
  return is_marked_unread(file) && read_file(file) && !is_marked_unread(file);
}

std::map<std::string, std::string> unused_outputs(const Records &built, const std::set<std::string> &wanted, const TreePlaces &tree) {
  const std::map<std::string, int> links = number_of_links(built);
  std::map<std::string, std::string> unused;
  for (const LinkRecord &link : built.links) {
    if (link.kind == LinkKind::relocatable || link.output_content.empty()) continue;
    if (wanted.contains(link.output) || links.at(link.output) != 1) continue;
    const fs::path file = on_this_machine(link.output, tree);
    if (!file.empty() && is_marked_unread(file)) unused[link.output] = link.output_content;
  }
  return unused;
}

bool used_what_was_spared(const Records &now, const TreePlaces &tree) {
  std::set<std::string> seen;
  for (const std::string &output : now.spared)  // twice: what came in between may have used and removed it
    if (!seen.insert(output).second || !is_marked_unread(on_this_machine(output, tree))) return true;
  return false;
}

}  // namespace suture
