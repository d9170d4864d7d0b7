#include "process/preflight.h"

#include <dirent.h>
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>

#include "base/cat.h"
#include "base/file.h"
#include "process/cgroup.h"

namespace suture {
namespace {

constexpr uint64_t kMaxCommBytes = 4096;

}  // namespace

Status check_can_be_patched(const Process &process) {
  const std::string status = TRY(process.proc_text("status"));
  const uint64_t tracer = status_number(status, "TracerPid").value_or(0);
  if (tracer != 0) {
    const Result<std::string> comm = read_text(cat("/proc/", tracer, "/comm"), kMaxCommBytes);
    const std::string name = comm ? *comm : std::string();
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
