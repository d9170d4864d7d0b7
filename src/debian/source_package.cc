#include "debian/source_package.h"

#include <algorithm>

#include "base/cat.h"
#include "base/file.h"
#include "debian/choose_version.h"
#include "debian/run_tool.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxSeriesBytes = 1u << 20;
constexpr size_t kShownPatches = 12;
constexpr uint64_t kMaxNamesBytes = 1u << 20;
// As installed_of() reads it.
constexpr const char *kInstalledFormat = "${db:Status-Status}\\t${source:Package}\\t${source:Version}\\t${Package}\\t${Version}\\n";

Result<fs::path> find_dsc(const fs::path &folder) {
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".dsc") return entry.path();
  return Error::failed(cat("there is no .dsc in ", folder.string()));
}

std::vector<std::string> patches_in_series(std::string_view series) {
  std::vector<std::string> out;
  for (size_t at = 0; at < series.size();) {  // "NAME [-pN] [# comment]" a line
    const size_t end = std::min(series.find('\n', at), series.size());
    const std::vector<std::string> words = words_of(series.substr(at, end - at));
    at = end + 1;
    if (!words.empty() && !words[0].starts_with('#')) out.push_back(words[0]);
  }
  return out;
}

// Format 1.0 leaves a quilt series for debian/rules to apply; both trees must have it applied, or a patch would not fit.
bool has_unapplied_series(const fs::path &tree) {
  const Result<std::string> format = read_text(tree / "debian/source/format");
  const bool old_format = !format || format->starts_with("1.0");
  if (!old_format) return false;
  const Result<std::string> series = read_text(tree / "debian/patches/series", kMaxSeriesBytes);
  return series && !patches_in_series(*series).empty();
}

// A name that only a binary package has is a slip that is easily made: who makes it is told.
Result<std::vector<Stanza>> stanzas_of(const Apt &apt, const std::string &source) {
  Result<std::vector<Stanza>> stanzas = apt.sources(source);
  if (stanzas) return stanzas;
  for (const Stanza &binary : TRY(apt.binaries({source}))) {
    const std::string of = source_of_binary(binary).source;
    if (is_package_name(of) && of != source)
      return Error::refused(cat(source, " is a binary package, of the source package ", of)).with_next(cat("suture build --debian ", of, " --package ", source));
  }
  return stanzas;
}

Result<std::vector<BinaryOfSource>> binaries_of(const Apt &apt, const std::string &source, const std::vector<std::string> &packages) {
  std::vector<BinaryOfSource> found;
  for (const Stanza &stanza : TRY(apt.binaries(packages))) {
    const SourceName of = source_of_binary(stanza);
    if (of.source == source && is_version(of.version)) found.push_back({stanza.get("package"), stanza.get("version"), of.version});
  }
  return found;
}

// Of the source; empty when apt would install none of its binaries.
Result<std::string> candidate_of(const Apt &apt, const std::string &source, const std::vector<std::string> &packages) {
  const BinaryOfSource candidate = first_candidate(TRY(apt.policy(packages)));
  if (candidate.version.empty()) return std::string();
  for (const BinaryOfSource &binary : TRY(binaries_of(apt, source, {candidate.package})))
    if (binary.version == candidate.version) return binary.source_version;
  return std::string();
}

Result<std::vector<std::string>> read_series(const FetchedSource &source) {
  const Result<std::string> series = read_text(source.tree() / "debian/patches/series", kMaxSeriesBytes);
  if (!series) return Error::refused(cat(source.version, " has no series of patches"));
  return patches_in_series(*series);
}

Error no_such_patch(const FetchedSource &source, const std::vector<std::string> &series, const std::string &name) {
  std::vector<std::string> alike;
  for (const std::string &other : series)
    if (other.find(fs::path(name).stem().string()) != std::string::npos) alike.push_back(other);
  const std::vector<std::string> &told = alike.empty() ? series : alike;
  const auto shown = told.end() - static_cast<ptrdiff_t>(std::min(told.size(), kShownPatches));  // the newest are at the end
  return Error::refused(cat("the series of ", source.version, " has no patch ", name))
      .with_next(cat(alike.empty() ? "it ends with " : "it has ", joined({shown, told.end()})));
}

// Fills the folder; gives the names of the binary packages that the source makes.
Result<std::string> fetch_files(const Apt &apt, const SourceName &name, const fs::path &folder, const Say &say) {
  const std::vector<Stanza> stanzas = TRY(apt.sources(name.source));
  const auto found = std::find_if(stanzas.begin(), stanzas.end(), [&](const Stanza &s) { return s.get("version") == name.version; });
  if (found == stanzas.end()) return Error::refused(cat("the mirror does not serve version ", name.version, " of ", name.source, " any more or yet"));
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  if (error) return Error::failed(cat("cannot create ", folder.string(), ": ", error.message()));
  say(cat("fetching the source of ", name.source, " ", name.version));
  TRY_WHILE(apt.download_source(name.source, name.version, folder), cat("fetching the source of ", name.source, " ", name.version));
  return found->get("binary");
}

}  // namespace

Result<std::string> resolve_version(const Apt &apt, const SourceName &asked) {
  const std::vector<Stanza> stanzas = TRY(stanzas_of(apt, asked.source));
  KnownVersions known;
  std::vector<std::string> packages;
  for (const Stanza &stanza : stanzas) {
    if (!is_version(stanza.get("version"))) continue;
    known.served.push_back(stanza.get("version"));
    for (const std::string &package : words_of(stanza.get("binary")))
      if (is_package_name(package)) packages.push_back(package);
  }
  known.installed = installed_of(asked.source, TRY(run_tool_for_output({{"/usr/bin/dpkg-query", "-W", "-f", kInstalledFormat}})));
  if (asked.version.empty()) {
    if (known.installed.empty()) known.candidate = TRY(candidate_of(apt, asked.source, packages));
    return version_in_use(asked.source, known);
  }
  if (std::find(known.served.begin(), known.served.end(), asked.version) == known.served.end())
    known.on_mirror = TRY(binaries_of(apt, asked.source, packages));
  return version_named(asked, known);
}

Result<FetchedSource> fetch_source(const Apt &apt, const SourceName &name, const fs::path &folder, const Say &say) {
  FetchedSource source{name.version, folder, {}, {}, {}};
  // Holds the names of the binary packages, so that the mirror need not be asked twice.
  const fs::path complete = folder / kFetchedMark;
  Result<std::string> packages = read_text(complete, kMaxNamesBytes);
  if (!packages || packages->empty()) packages = TRY(fetch_files(apt, name, folder, say));
  TRY(write_file_atomic(complete, as_bytes(*packages)));
  for (const std::string &package : words_of(*packages))
    if (is_package_name(package)) source.packages.push_back(package);
  source.dsc = TRY(find_dsc(folder));
  if (fs::exists(folder / Apt::kDscMadeMark))
    source.notes.push_back(cat("the mirror serves no ", source.dsc.filename().string(), " any more; its fields, and the digests of its files, are those of the signed index"));
  return source;
}

Status unpack_source(const FetchedSource &source, const BuildRoot &root, const Say &say) {
  if (fs::exists(source.folder / "unpacked")) return {};
  say(cat("unpacking ", source.dsc.filename().string()));
  std::error_code error;
  fs::remove_all(source.tree(), error);
  TRY(root.output_of({"/usr/bin/dpkg-source", "--no-check", "-x", source.dsc.string(), source.tree().string()}, "/", source.folder));
  if (has_unapplied_series(source.tree())) {
    // Its state stays in .pc, where debian/rules looks for it, as dpkg-source leaves it for the newer formats.
    const std::string quilt = "/usr/bin/quilt";
    if (!fs::exists(root.folder() / quilt.substr(1)))
      return Error::refused("the source is of format 1.0 with a series of patches, and its build does not use quilt for it");
    TRY_WHILE(root.output_of({"/usr/bin/env", "QUILT_PATCHES=debian/patches", quilt, "--quiltrc", "-", "push", "-a"}, source.tree().string(),
                             source.folder),
              "applying the series of patches");
  }
  return write_file_atomic(source.folder / "unpacked", {});
}

std::optional<SeriesPatch> parse_series_patch(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos || !is_version(text.substr(0, slash))) return std::nullopt;
  const std::string name(text.substr(slash + 1));
  const fs::path path(name);
  if (name.empty() || path.is_absolute() || path.lexically_normal() != path || *path.begin() == "..") return std::nullopt;
  return SeriesPatch{std::string(text.substr(0, slash)), name};
}

Result<fs::path> find_series_patch(const FetchedSource &source, const std::string &name) {
  const std::vector<fs::path> found = TRY(find_series_patches(source, {name}));
  return found[0];
}

Result<std::vector<fs::path>> find_series_patches(const FetchedSource &source, const std::vector<std::string> &names) {
  const std::vector<std::string> series = TRY(read_series(source));
  std::vector<std::pair<size_t, fs::path>> found;
  for (const std::string &name : names) {
    const auto at = std::find(series.begin(), series.end(), name);
    if (at == series.end()) return no_such_patch(source, series, name);
    found.emplace_back(at - series.begin(), source.tree() / "debian/patches" / name);
  }
  std::sort(found.begin(), found.end());
  std::vector<fs::path> files;
  for (auto &[place, file] : found) files.push_back(std::move(file));
  return files;
}

}  // namespace suture
