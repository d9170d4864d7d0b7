// Which processes of the host run an image, told from their memory.
#include <dirent.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

#include "apply/apply.h"
#include "apply/record.h"
#include "process/modules.h"
#include "process/process.h"

namespace suture {
namespace {

// Forks outrun a scan now and then, not for ever: a host that does is scanned this often.
constexpr int kMaxPasses = 20;

std::vector<pid_t> list_processes() {
  std::vector<pid_t> out;
  DIR *dir = ::opendir("/proc");
  if (dir == nullptr) return out;
  while (const dirent *entry = ::readdir(dir)) {
    const std::string_view text = entry->d_name;
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error == std::errc() && end == text.data() + text.size()) out.push_back(pid);
  }
  ::closedir(dir);
  return out;
}

std::vector<pid_t> processes_where(const std::function<bool(const Process &, const Maps &)> &matches) {
  std::set<pid_t> seen;
  std::vector<pid_t> out;
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    bool found_new = false;
    for (const pid_t pid : list_processes()) {
      if (!seen.insert(pid).second) continue;
      const Result<Process> process = Process::open(pid);
      const Result<Maps> maps = process ? process->maps() : Result<Maps>(process.error());
      if (!maps || !matches(*process, *maps)) continue;
      out.push_back(pid);
      found_new = true;
    }
    // Children come from a matching process: a pass without new matches ends the search.
    if (!found_new) break;
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

std::vector<pid_t> processes_mapping(const ImageId &id) {
  return processes_where([&](const Process &process, const Maps &maps) {
    const Result<std::vector<Module>> modules = find_modules(process, maps);
    return modules && std::any_of(modules->begin(), modules->end(), [&](const Module &m) { return m.id == id; });
  });
}

std::vector<pid_t> processes_patched() {
  return processes_where([](const Process &process, const Maps &maps) {
    const Result<std::vector<FoundRecord>> records = find_records(process, maps);
    return records && !records->empty();
  });
}

}  // namespace suture
