#include "process/cgroup.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/cat.h"
#include "base/file.h"

namespace suture {
namespace {

constexpr uint64_t kMaxSmallFile = 64 << 10;

// Path of the process in the hierarchy whose line of /proc/PID/cgroup names `controller` ("" for v2).
std::string cgroup_path(std::string_view text, std::string_view controller) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string_view names = line.substr(first + 1, second - first - 1);
    const bool unified = line.substr(0, first) == "0" && names.empty();
    const bool wanted =
        controller.empty() ? unified : cat(",", names, ",").find(cat(",", controller, ",")) != std::string::npos;
    if (wanted) return std::string(line.substr(second + 1));
  }
  return {};
}

std::string small_text(const std::filesystem::path &path) {
  const Result<std::string> text = read_text(path, kMaxSmallFile);
  return text ? *text : std::string();
}

bool has_line(std::string_view text, std::string_view wanted) {
  return cat("\n", text, "\n").find(cat("\n", wanted, "\n")) != std::string::npos;
}

// The process's group in one hierarchy.
struct Group {
  std::string path;    // as the process has it
  std::string folder;  // where it is shown; empty: nowhere
};

// What says which groups the process is in, and where they are to be seen.
class GroupView {
 public:
  static Result<GroupView> of(const Process &process) {
    const Result<std::string> mounts = read_text("/proc/self/mountinfo");
    return GroupView(TRY(process.proc_text("cgroup")), mounts ? *mounts : std::string());
  }
  Group in(std::string_view controller) const {
    Group out;
    out.path = cgroup_path(groups_, controller);
    if (!out.path.empty()) out.folder = cgroup_folder(mounts_, controller, out.path);
    return out;
  }

 private:
  GroupView(std::string groups, std::string mounts) : groups_(std::move(groups)), mounts_(std::move(mounts)) {}
  std::string groups_;
  std::string mounts_;
};

std::optional<uint64_t> number_in(const std::filesystem::path &path) {
  const std::string text = small_text(path);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;  // also "max"
  return value;
}

// Page cache that nobody uses now is given back before anyone is killed.
uint64_t reclaimable_bytes(const std::filesystem::path &folder) {
  const std::string text = small_text(folder / "memory.stat");
  const std::string_view key = "\ninactive_file ";
  const size_t at = text.find(key);
  uint64_t value = 0;
  if (at != std::string::npos) std::from_chars(text.data() + at + key.size(), text.data() + text.size(), value);
  return value;
}

Status check_group_headroom(const Group &group, const char *limit, const char *usage, uint64_t bytes) {
  std::filesystem::path path = group.path;
  for (std::filesystem::path folder = group.folder; !folder.empty(); folder = folder.parent_path()) {
    const std::optional<uint64_t> most = number_in(folder / limit);
    const std::optional<uint64_t> used = number_in(folder / usage);
    const bool enough = most && used && *used <= *most && *most - *used >= bytes;
    if (most && used && !enough) {  // only then, as the kernel takes long to sum up its statistics
      const uint64_t reclaimable = std::min(*used, reclaimable_bytes(folder));
      const uint64_t needed = *used - reclaimable;
      const uint64_t left = needed > *most ? 0 : *most - needed;
      if (left < bytes)
        return Error::refused(
                   cat("the memory cgroup ", path.string(), " has ", left, " bytes left, ", bytes, " are needed"))
            .with_next("raise its limit");
    }
    if (!path.has_relative_path()) break;
    path = path.parent_path();
  }
  return {};
}

// One field of a line of mountinfo, its octal escapes undone.
std::string unescaped(std::string_view field) {
  std::string out;
  for (size_t i = 0; i < field.size(); ++i) {
    const bool escape = field[i] == '\\' && i + 3 < field.size();
    unsigned value = 0;
    const char *digits = field.data() + i + 1;
    if (escape && std::from_chars(digits, digits + 3, value, 8).ptr == digits + 3) {
      out += static_cast<char>(value);
      i += 3;
    } else {
      out += field[i];
    }
  }
  return out;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    if (end > 0) out.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return out;
}

// The path seen from what is mounted: "/a/b" of a mount of "/a" is "/b".
std::optional<std::string_view> below(std::string_view path, std::string_view root) {
  if (root == "/") return path;
  if (!path.starts_with(root)) return std::nullopt;
  path.remove_prefix(root.size());
  if (!path.empty() && path[0] != '/') return std::nullopt;
  return path;
}

}  // namespace

std::string cgroup_folder(std::string_view mountinfo, std::string_view controller, std::string_view path) {
  for (size_t at = 0; at < mountinfo.size();) {
    const size_t end = std::min(mountinfo.find('\n', at), mountinfo.size());
    // 32 31 0:29 ROOT POINT options [fields...] - TYPE source superoptions
    const std::vector<std::string_view> words = words_of(mountinfo.substr(at, end - at));
    at = end + 1;
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 5 || words.end() - dash < 4) continue;
    const bool wanted = controller.empty() ? dash[1] == "cgroup2"
                                           : dash[1] == "cgroup" && cat(",", dash[3], ",").find(cat(",", controller, ",")) != std::string::npos;
    const std::optional<std::string_view> inside = wanted ? below(path, unescaped(words[3])) : std::nullopt;
    if (inside) return unescaped(words[4]) + (*inside == "/" ? std::string() : std::string(*inside));
  }
  return {};
}

Status check_not_frozen(const Process &process) {
  const auto refuse = [&](const Group &group) {
    return Error::refused(cat("process ", process.pid(), " is frozen (cgroup ", group.path, ")"))
        .with_next("thaw the cgroup and try again");
  };
  const GroupView groups = TRY(GroupView::of(process));
  const Group unified = groups.in("");
  if (!unified.folder.empty() && has_line(small_text(unified.folder + "/cgroup.events"), "frozen 1")) return refuse(unified);
  const Group v1 = groups.in("freezer");
  const std::string state = v1.folder.empty() ? std::string() : small_text(v1.folder + "/freezer.state");
  if (state == "FROZEN\n" || state == "FREEZING\n") return refuse(v1);
  return {};
}

Status check_memory_headroom(const Process &process, uint64_t bytes) {
  const GroupView groups = TRY(GroupView::of(process));
  const Group unified = groups.in("");
  TRY(check_group_headroom(unified, "memory.max", "memory.current", bytes));
  const Group v1 = groups.in("memory");
  return check_group_headroom(v1, "memory.limit_in_bytes", "memory.usage_in_bytes", bytes);
}

}  // namespace suture
