#include "process/preflight.h"

#include <dirent.h>
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>

#include "base/cat.h"
#include "base/file.h"

namespace suture {
namespace {

constexpr uint64_t kMaxSmallFile = 64 << 10;
constexpr const char *kUnified = "/sys/fs/cgroup";
constexpr const char *kFreezerV1 = "/sys/fs/cgroup/freezer";
constexpr const char *kMemoryV1 = "/sys/fs/cgroup/memory";

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

Status check_not_frozen(const Process &process) {
  const std::string groups = TRY(process.proc_text("cgroup"));
  const auto refuse = [&](const std::string &path) {
    return Error::refused(cat("process ", process.pid(), " is frozen (cgroup ", path, ")"))
        .with_next("thaw the cgroup and try again");
  };
  const std::string unified = cgroup_path(groups, "");
  if (!unified.empty() && has_line(small_text(kUnified + unified + "/cgroup.events"), "frozen 1"))
    return refuse(unified);
  const std::string v1 = cgroup_path(groups, "freezer");
  const std::string state = v1.empty() ? std::string() : small_text(kFreezerV1 + v1 + "/freezer.state");
  if (state == "FROZEN\n" || state == "FREEZING\n") return refuse(v1);
  return {};
}

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

Status check_group_headroom(std::string_view root, std::filesystem::path path, const char *limit, const char *usage,
                            uint64_t bytes) {
  for (;;) {
    const std::filesystem::path folder = std::string(root) + path.string();
    const std::optional<uint64_t> most = number_in(folder / limit);
    const std::optional<uint64_t> used = number_in(folder / usage);
    if (most && used) {
      const uint64_t reclaimable = std::min(*used, reclaimable_bytes(folder));
      const uint64_t needed = *used - reclaimable;
      const uint64_t left = needed > *most ? 0 : *most - needed;
      if (left < bytes)
        return Error::refused(
                   cat("the memory cgroup ", path.string(), " has ", left, " bytes left, ", bytes, " are needed"))
            .with_next("raise its limit");
    }
    if (!path.has_relative_path()) return {};
    path = path.parent_path();
  }
}

}  // namespace

Status check_can_be_patched(const Process &process) {
  const std::string status = TRY(process.proc_text("status"));
  const uint64_t tracer = status_number(status, "TracerPid").value_or(0);
  if (tracer != 0) {
    const std::string name = small_text(cat("/proc/", tracer, "/comm"));
    return Error::refused(cat("process ", process.pid(), " is already traced by process ", tracer, " (",
                              name.substr(0, name.find('\n')), ")"))
        .with_next("detach the debugger and try again");
  }
  const std::string_view state = status_field(status, "State");
  if (!state.empty() && (state[0] == 'Z' || state[0] == 'X'))
    return Error::failed(cat("process ", process.pid(), " is exiting"));
  if (status_field(status, "x86_Thread_features").find("shstk") != std::string_view::npos)
    return Error::refused(cat("process ", process.pid(),
                              " runs with user shadow stacks, under which a borrowed thread cannot restore itself"));
  return check_not_frozen(process);
}

Status check_memory_headroom(const Process &process, uint64_t bytes) {
  const std::string groups = TRY(process.proc_text("cgroup"));
  const std::string unified = cgroup_path(groups, "");
  if (!unified.empty()) TRY(check_group_headroom(kUnified, unified, "memory.max", "memory.current", bytes));
  const std::string v1 = cgroup_path(groups, "memory");
  if (!v1.empty()) TRY(check_group_headroom(kMemoryV1, v1, "memory.limit_in_bytes", "memory.usage_in_bytes", bytes));
  return {};
}

Result<std::vector<Process>> find_memory_sharers(const Process &process) {
  std::vector<Process> out;
  DIR *dir = ::opendir("/proc");
  if (dir == nullptr) return Error::from_errno(errno, "cannot list processes");
  std::vector<pid_t> pids;
  while (const dirent *entry = ::readdir(dir)) {
    const std::string_view text = entry->d_name;
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error == std::errc() && end == text.data() + text.size() && pid != process.pid()) pids.push_back(pid);
  }
  ::closedir(dir);
  for (const pid_t pid : pids) {
    // 0: the same. Errors mean gone, or not ours to compare; without permission we could not have opened the target
    // either.
    if (::syscall(SYS_kcmp, process.live_thread(), pid, KCMP_VM, 0, 0) != 0) continue;
    Result<Process> sharer = Process::open(pid);
    if (!sharer) return std::move(sharer.error()).during(cat("looking at process ", pid, ", which shares the memory"));
    TRY(check_can_be_patched(*sharer));
    out.push_back(std::move(*sharer));
  }
  return out;
}

}  // namespace suture
