#include "debian/choose_version.h"

#include <algorithm>
#include <set>

#include "base/cat.h"

namespace suture {
namespace {

bool is_served(const KnownVersions &known, const std::string &version) {
  return std::find(known.served.begin(), known.served.end(), version) != known.served.end();
}

std::string served_list(const KnownVersions &known) {
  std::vector<std::string> versions = known.served;
  std::sort(versions.begin(), versions.end(),
            [](const std::string &a, const std::string &b) { return compare_versions(a, b) < 0; });
  versions.erase(std::unique(versions.begin(), versions.end()), versions.end());
  return cat("it has ", joined(versions));
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find(at, start), text.size());
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

}  // namespace

SourceName source_of_binary(const Stanza &stanza) {
  SourceName name{stanza.get("package"), stanza.get("version")};
  const std::string &source = stanza.get("source");
  if (source.empty()) return name;
  const size_t open = source.find(" (");
  name.source = source.substr(0, open);
  if (open != std::string::npos && source.ends_with(')'))
    name.version = source.substr(open + 2, source.size() - open - 3);
  return name;
}

Result<std::string> version_in_use(const std::string &source, const KnownVersions &known) {
  std::set<std::string> installed;
  for (const BinaryOfSource &binary : known.installed) installed.insert(binary.source_version);
  if (installed.size() > 1)
    return Error::refused(cat("this host has binaries of several versions of ", source, ": ", joined({installed.begin(), installed.end()})))
        .with_next(cat("name the one whose binaries are to be patched: --debian ", source, "=VERSION"));
  if (installed.size() == 1) {
    if (is_served(known, *installed.begin())) return *installed.begin();
    return Error::refused(cat("this host has ", source, " ", *installed.begin(),
                              " installed, whose source the mirror does not serve"))
        .with_next(served_list(known));
  }
  if (is_served(known, known.candidate)) return known.candidate;
  std::string newest;
  for (const std::string &version : known.served)
    if (newest.empty() || compare_versions(newest, version) < 0) newest = version;
  if (newest.empty()) return Error::refused(cat("the mirror has no version of ", source));
  return newest;
}

Result<std::string> version_named(const SourceName &asked, const KnownVersions &known) {
  if (is_served(known, asked.version)) return asked.version;
  for (const std::vector<BinaryOfSource> *binaries : {&known.installed, &known.on_mirror})
    for (const BinaryOfSource &binary : *binaries)
      if (binary.version == asked.version && is_served(known, binary.source_version)) return binary.source_version;
  return Error::refused(
             cat("the mirror does not serve version ", asked.version, " of ", asked.source, " any more or yet"))
      .with_next(served_list(known));
}

std::vector<BinaryOfSource> installed_of(const std::string &source, std::string_view listed) {
  std::vector<BinaryOfSource> found;
  for (const std::string_view line : split(listed, '\n')) {
    const std::vector<std::string_view> fields = split(line, '\t');
    if (fields.size() != 5 || fields[0] != "installed" || fields[1] != source) continue;
    if (!is_version(fields[2]) || !is_version(fields[4])) continue;
    found.push_back({std::string(fields[3]), std::string(fields[4]), std::string(fields[2])});
  }
  return found;
}

BinaryOfSource first_candidate(std::string_view policy) {
  constexpr std::string_view kCandidate = "  Candidate: ";
  BinaryOfSource found;
  for (const std::string_view line : split(policy, '\n')) {
    if (line.ends_with(':') && !line.starts_with(' ')) found.package = line.substr(0, line.size() - 1);
    if (!line.starts_with(kCandidate) || !is_version(line.substr(kCandidate.size()))) continue;
    found.version = line.substr(kCandidate.size());
    return found;
  }
  return {};
}

}  // namespace suture
