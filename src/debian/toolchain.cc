#include "debian/toolchain.h"

#include <time.h>

#include <charconv>
#include <filesystem>

#include "base/cat.h"
#include "debian/version.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

// When "Default to GCC N, upload to unstable" was uploaded: changelog of gcc-defaults.
struct DefaultSince {
  int64_t seconds;
  unsigned gcc;
};
constexpr DefaultSince kDefaults[] = {
    {1595340984, 10},  // 2020-07-21
    {1633884159, 11},  // 2021-10-10
    {1658481811, 12},  // 2022-07-22
};

constexpr unsigned kMaxMajor = 99;
constexpr const char *kPrefix = "x86_64-linux-gnu-";
// Each is installed as NAME-MAJOR beside the default's NAME; "cc" and "c++" are names of the default only.
struct Alias {
  const char *name;
  const char *of;
};
constexpr Alias kAliases[] = {{"gcc", "gcc"},  {"cc", "gcc"},        {"g++", "g++"},       {"c++", "g++"},
                              {"cpp", "cpp"},  {"gcc-ar", "gcc-ar"}, {"gcc-nm", "gcc-nm"}, {"gcc-ranlib", "gcc-ranlib"},
                              {"gcov", "gcov"}};

std::string day_of(int64_t seconds) {
  const time_t time = seconds;
  tm parts{};
  char text[16] = {};
  if (::gmtime_r(&time, &parts) == nullptr || ::strftime(text, sizeof text, "%Y-%m-%d", &parts) == 0)
    return "an unknown day";
  return text;
}

Status link_aliases(const fs::path &root, const std::string &folder, unsigned major) {
  std::error_code error;
  const fs::path here = root / folder.substr(1);
  fs::remove_all(here, error);
  fs::create_directories(here, error);
  for (const Alias &alias : kAliases)
    for (const char *prefix : {"", kPrefix}) {
      const std::string program = cat("usr/bin/", prefix, alias.of, "-", major);
      if (fs::exists(fs::symlink_status(root / program, error)))
        fs::create_symlink("/" + program, here / cat(prefix, alias.name), error);
    }
  if (error) return Error::failed(cat("cannot make links in ", here.string(), ": ", error.message()));
  return {};
}

}  // namespace

unsigned default_gcc_at(int64_t seconds) {
  unsigned gcc = 0;
  for (const DefaultSince &entry : kDefaults)
    if (seconds >= entry.seconds) gcc = entry.gcc;
  return gcc;
}

unsigned major_version(std::string_view version) {
  const std::string plain = without_epoch(version);
  unsigned major = 0;
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), major);
  return error == std::errc() && major <= kMaxMajor && end != plain.data() + plain.size() && *end == '.' ? major : 0;
}

Result<unsigned> parse_compiler(std::string_view text) {
  unsigned major = 0;
  if (text.starts_with("gcc-")) {
    const auto [end, error] = std::from_chars(text.data() + 4, text.data() + text.size(), major);
    if (error == std::errc() && end == text.data() + text.size() && major > 0 && major <= kMaxMajor) return major;
  }
  return Error::usage(cat("--compiler ", text, " is no compiler that can be taken"))
      .with_next("name Debian's gcc by its major version, e.g. --compiler gcc-11");
}

Toolchain choose_toolchain(int64_t newest_shipped_file, unsigned default_gcc,
                           const std::function<bool(unsigned gcc)> &release_has) {
  const unsigned then = default_gcc_at(newest_shipped_file);
  if (then == 0 || default_gcc == 0 || then >= default_gcc) return {};
  unsigned nearest = then;
  while (nearest < default_gcc && !release_has(nearest)) ++nearest;
  const std::string why = cat("the shipped files are of ", day_of(newest_shipped_file), ", when Debian's default compiler was gcc ", then);
  if (nearest == then) return {then, cat(why, ", not the release's gcc ", default_gcc, ": built with gcc-", then)};
  const std::string instead = cat(why, ", which the release has no more: built with gcc-", nearest, ", so that fewer functions may match");
  return {nearest == default_gcc ? 0 : nearest, instead};
}

Result<std::string> provide_gcc(const BuildRoot &root, unsigned major, const Say &say) {
  const std::string gcc = cat("gcc-", major), gxx = cat("g++-", major);
  if (root.version_of(gcc).empty() || root.version_of(gxx).empty()) {
    say(cat("installing ", gcc));
    TRY_WHILE(root.add_packages({gcc, gxx}), cat("installing ", gcc, " in the build root"));
  }
  const std::string folder = cat("/usr/local/lib/suture-", gcc);
  TRY(link_aliases(root.folder(), folder, major));
  return folder;
}

}  // namespace suture
