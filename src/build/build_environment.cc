#include "build/build_environment.h"

#include <time.h>

#include <cstring>

#include "base/cat.h"
#include "base/file.h"
#include "build/cc_shim/shim.h"
#include "build/driver.h"
#include "build/subprocess.h"

namespace suture {
namespace {

constexpr uint64_t kMaxChangelogBytes = 64u << 20;
// For sources that give no date: any constant will do, it only has to be the same in both builds (2020-01-01).
constexpr int64_t kFallbackDate = 1577836800;

}  // namespace

std::optional<int64_t> changelog_date(std::string_view changelog) {
  // " -- Name <mail>  Mon, 08 Jan 2024 10:00:00 +0000" ends an entry; the first one is the newest.
  size_t at = changelog.starts_with(" -- ") ? 0 : changelog.find("\n -- ");
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view line = changelog.substr(at + 1, changelog.find('\n', at + 1) - at - 1);
  const size_t mail_end = line.rfind('>');
  if (mail_end == std::string_view::npos) return std::nullopt;
  const std::string date(line.substr(mail_end + 1));
  tm parts{};
  const char *end = ::strptime(date.c_str(), " %a, %d %b %Y %H:%M:%S %z", &parts);
  if (end == nullptr) return std::nullopt;
  const int64_t offset = parts.tm_gmtoff;  // timegm resets it
  return int64_t{::timegm(&parts)} - offset;
}

std::vector<std::string> build_environment(const BuildRequest &request, const std::filesystem::path &shim_folder) {
  std::vector<std::string> environment = request.place ? request.place->environment : current_environment();
  // Of a make we may run under: its job server and flags are not the package's.
  for (const char *name : {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "LANGUAGE", "LANG"})
    unset_variable(environment, name);
  set_variable(environment, "LC_ALL", "C.UTF-8");
  set_variable(environment, "TZ", "UTC");
  // make calls itself by the path that it was started by; by its name, it is found like any program, and so is the wrapper.
  if (get_variable(environment, "MAKE").empty()) set_variable(environment, "MAKE", "make");
  // ccache would answer from its own store without running the wrapper.
  set_variable(environment, "CCACHE_DISABLE", "1");
  int64_t date = kFallbackDate;
  if (const Result<std::string> changelog = read_text(request.pre_dir / "debian/changelog", kMaxChangelogBytes))
    date = changelog_date(*changelog).value_or(date);
  if (get_variable(environment, "SOURCE_DATE_EPOCH").empty()) set_variable(environment, "SOURCE_DATE_EPOCH", cat(date));
  for (const auto &[name, value] : request.environment) set_variable(environment, name, value);
  if (request.jobs > 0) {
    if (get_variable(environment, "MAKEFLAGS").empty()) set_variable(environment, "MAKEFLAGS", cat("-j", request.jobs));
    set_variable(environment, "CMAKE_BUILD_PARALLEL_LEVEL", cat(request.jobs));
    const std::string options = get_variable(environment, "DEB_BUILD_OPTIONS");
    if (options.find("parallel=") == std::string::npos)
      set_variable(environment, "DEB_BUILD_OPTIONS",
                   cat(options, options.empty() ? "" : " ", "parallel=", request.jobs));
  }
  const std::string subprograms = get_variable(environment, "COMPILER_PATH");
  set_variable(environment, "COMPILER_PATH",
               cat((shim_folder / kSubprogramFolder).string(), subprograms.empty() ? "" : ":", subprograms));
  set_variable(environment, "PATH", cat(shim_folder.string(), ":", get_variable(environment, "PATH")));
  return environment;
}

}  // namespace suture
