#include "debian/buildinfo.h"

#include "base/cat.h"
#include "debian/control_file.h"
#include "debian/version.h"

namespace suture {
namespace {

// The lines of an OpenPGP clear signature around the record are no fields.
std::string without_signature(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN PGP SIGNED MESSAGE-----", kEnd = "-----BEGIN PGP SIGNATURE-----";
  if (!text.starts_with(kBegin)) return std::string(text);
  const size_t start = text.find("\n\n");
  if (start == std::string_view::npos) return {};
  return std::string(
      text.substr(start + 2, text.find(kEnd) == std::string_view::npos ? text.npos : text.find(kEnd) - start - 2));
}

}  // namespace

Result<BuildInfo> parse_buildinfo(std::string_view text) {
  const std::vector<Stanza> stanzas = TRY(parse_control(without_signature(text)));
  if (stanzas.empty() || stanzas[0].get("installed-build-depends").empty())
    return Error::corrupt("it is no build record: it has no Installed-Build-Depends");
  BuildInfo info;
  info.source = stanzas[0].get("source");
  info.source = info.source.substr(0, info.source.find(' '));  // a rebuild names the source's version in brackets
  info.version = stanzas[0].get("version");
  info.build_path = stanzas[0].get("build-path");
  // "autoconf (= 2.71-3), ..."
  const std::vector<std::string> words = words_of(stanzas[0].get("installed-build-depends"));
  for (size_t i = 0; i + 2 < words.size(); i += 3) {
    const std::string package = words[i].substr(0, words[i].find(':')),
                      version = words[i + 2].substr(0, words[i + 2].find(')'));
    if (!is_package_name(package) || words[i + 1] != "(=" || !is_version(version))
      return Error::corrupt(
          cat("build record: ", words[i], " ", words[i + 1], " ", words[i + 2], " is no package with its version"));
    info.installed[package] = version;
  }
  return info;
}

std::vector<VersionDifference> compare_installed(const BuildInfo &info,
                                                 const std::map<std::string, std::string> &installed) {
  std::vector<VersionDifference> differences;
  for (const auto &[package, version] : info.installed) {
    const auto here = installed.find(package);
    if (here == installed.end())
      differences.push_back({package, version, ""});
    else if (here->second != version)
      differences.push_back({package, version, here->second});
  }
  return differences;
}

}  // namespace suture
