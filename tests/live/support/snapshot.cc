#include "support/snapshot.h"

#include <filesystem>
#include <set>
#include <sstream>

#include "base/cat.h"
#include "base/file.h"
#include "base/hash.h"
#include "process/process.h"

namespace suture {
namespace {

// SHA-256 of every executable mapping, in address order.
std::string code_digests(const Process &process, const Maps &maps) {
  std::string out;
  for (const Mapping &mapping : maps.all()) {
    if (!mapping.executable || !mapping.readable || mapping.name == "[vsyscall]") continue;
    const Result<Bytes> bytes = process.read_bytes(mapping.range.begin, mapping.range.size_bytes);
    out += cat(mapping.name, " ", bytes ? to_hex(sha256(*bytes)) : "unreadable", "\n");
  }
  return out;
}

std::string descriptors(pid_t pid) {
  std::set<std::string> out;
  std::error_code error;
  for (const auto &entry : std::filesystem::directory_iterator(cat("/proc/", pid, "/fd"), error))
    out.insert(cat(entry.path().filename().string(), " ", std::filesystem::read_symlink(entry.path(), error).string()));
  std::string text;
  for (const std::string &line : out) text += line + "\n";
  return text;
}

std::string lines_of_status(const std::string &status, std::string_view prefix) {
  std::istringstream lines(status);
  std::string out;
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(prefix)) out += line + "\n";
  return out;
}

}  // namespace

Snapshot take_snapshot(pid_t pid) {
  const Result<Process> process = Process::open(pid);
  if (!process) return {{"process", process.error().text()}};
  const Result<Maps> maps = process->maps();
  const std::string status = process->proc_text("status").has_value() ? *process->proc_text("status") : std::string();
  return {{"maps", process->proc_text("maps").has_value() ? *process->proc_text("maps") : std::string()},
          {"code", maps ? code_digests(*process, *maps) : std::string()},
          {"descriptors", descriptors(pid)},
          {"signals", lines_of_status(status, "SigBlk") + lines_of_status(status, "SigIgn") + lines_of_status(status, "SigCgt")},
          {"state", lines_of_status(status, "TracerPid") + lines_of_status(status, "Seccomp")}};
}

}  // namespace suture
