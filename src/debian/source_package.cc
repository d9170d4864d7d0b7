#include "debian/source_package.h"

#include <algorithm>

#include "base/cat.h"
#include "base/file.h"
#include "debian/run_tool.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxNamesBytes = 1u << 20;

Result<fs::path> find_dsc(const fs::path &folder) {
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".dsc") return entry.path();
  return Error::failed(cat("there is no .dsc in ", folder.string()));
}

std::string versions_in(const std::vector<Stanza> &stanzas) {
  std::string text;
  for (const Stanza &stanza : stanzas) text += cat(text.empty() ? "" : ", ", stanza.get("version"));
  return text;
}

// Format 1.0 leaves a quilt series for debian/rules to apply; both trees must have it applied, or a patch would not fit.
bool has_unapplied_series(const fs::path &tree) {
  std::error_code error;
  const Result<std::string> format = read_text(tree / "debian/source/format");
  const bool old_format = !format || format->starts_with("1.0");
  return old_format && fs::exists(tree / "debian/patches/series", error);
}

// Fills the folder; gives the names of the binary packages that the source makes.
Result<std::string> fetch_files(const Apt &apt, const SourceName &name, const fs::path &folder, const Say &say) {
  const std::vector<Stanza> stanzas = TRY(apt.sources(name.source));
  const auto found = std::find_if(stanzas.begin(), stanzas.end(), [&](const Stanza &s) { return s.get("version") == name.version; });
  if (found == stanzas.end())
    return Error::refused(cat("the mirror does not serve version ", name.version, " of ", name.source, " any more or yet"))
        .with_next(cat("it has ", versions_in(stanzas)));
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  if (error) return Error::failed(cat("cannot create ", folder.string(), ": ", error.message()));
  say(cat("fetching the source of ", name.source, " ", name.version));
  TRY_WHILE(apt.download_source(name.source, name.version, folder), cat("fetching the source of ", name.source, " ", name.version));
  return found->get("binary");
}

}  // namespace

Result<std::string> choose_version(const Apt &apt, const std::string &source) {
  const std::vector<Stanza> stanzas = TRY(apt.sources(source));
  const std::string installed = TRY(run_tool_for_output({{"/usr/bin/dpkg-query", "-W", "-f", "${source:Package} ${source:Version}\\n"}}));
  std::string newest;
  for (const Stanza &stanza : stanzas) {
    const std::string &version = stanza.get("version");
    if (!is_version(version)) continue;
    if (("\n" + installed).find(cat("\n", source, " ", version, "\n")) != std::string::npos) return version;
    if (newest.empty() || compare_versions(newest, version) < 0) newest = version;
  }
  if (newest.empty()) return Error::refused(cat("the mirror has no version of ", source));
  return newest;
}

Result<FetchedSource> fetch_source(const Apt &apt, const SourceName &name, const fs::path &folder, const Say &say) {
  FetchedSource source{name.version, folder, {}, {}, {}};
  // Holds the names of the binary packages, so that the mirror need not be asked twice.
  const fs::path complete = folder / "fetched";
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

}  // namespace suture
