#include "debian/shipped.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "base/cat.h"
#include "base/file.h"
#include "debian/choose_version.h"
#include "debian/run_tool.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxServedBytes = 1u << 20;
constexpr const char *kDpkgQuery = "/usr/bin/dpkg-query";

// Files are read where they are: nothing changed them since dpkg did, or its list would say so.
bool is_as_dpkg_left_it(const std::string &package) {
  const Result<std::string> changed = run_tool_for_output({{"/usr/bin/dpkg", "--verify", package}});
  return changed && changed->find("??5??????") == std::string::npos;
}

bool is_installed(const std::string &package, const SourceName &source) {
  const Result<std::string> said = run_tool_for_output(
      {{kDpkgQuery, "-W", "-f", "${db:Status-Status} ${Architecture} ${source:Package} ${source:Version}\\n", package}});
  if (!said) return false;
  return said->starts_with(cat("installed amd64 ", source.source, " ", source.version, "\n")) && is_as_dpkg_left_it(package);
}

class Finder {
 public:
  Finder(const Apt &apt, const BuildRoot &root, const SourceName &source, const fs::path &folder, const Say &say)
      : apt_(apt), root_(root), source_(source), folder_(folder), say_(say) {}

  Result<Shipped> run(const std::vector<std::string> &packages) {
    const std::map<std::string, std::string> served = TRY(served_versions(packages));
    for (const std::string &package : packages) {
      if (is_installed(package, source_)) {
        TRY(take_installed(package));
      } else if (const auto found = served.find(package); found != served.end()) {
        TRY(take_served(package, found->second));
      }
    }
    if (!shipped_.files.empty()) return std::move(shipped_);
    return Error::refused(cat("no binary of ", source_.source, " ", source_.version, " is to be had: this host has none installed and the mirror serves none"))
        .with_next("a version is served as long as a release or its security archive has it");
  }

 private:
  // What the mirror serves, kept for the next time: versions are exact, so that it stays true. "-" stands for what it does not have.
  Result<std::map<std::string, std::string>> served_versions(const std::vector<std::string> &packages) const {
    std::map<std::string, std::string> served;
    const Result<std::string> text = read_text(kept_file(), kMaxServedBytes);
    const std::vector<std::string> kept = words_of(text ? *text : "");
    for (size_t i = 0; i + 1 < kept.size(); i += 2) served[kept[i]] = kept[i + 1];
    const auto is_kept = [&](const std::string &package) { return served.contains(package); };
    if (!std::all_of(packages.begin(), packages.end(), is_kept)) served = TRY(ask_and_keep(packages));
    std::erase_if(served, [](const auto &entry) { return !is_version(entry.second); });
    return served;
  }

  Result<std::map<std::string, std::string>> ask_and_keep(const std::vector<std::string> &packages) const {
    std::map<std::string, std::string> served = TRY(ask_mirror(packages));
    if (served.empty()) return served;
    std::string text;
    for (const std::string &package : packages) text += cat(package, " ", served.contains(package) ? served[package] : "-", "\n");
    std::error_code error;
    fs::create_directories(folder_, error);
    TRY(write_file_atomic(kept_file(), as_bytes(text)));
    return served;
  }

  fs::path kept_file() const { return folder_ / "served"; }

  // The newest of several is the last rebuild (+b1) of one source.
  Result<std::map<std::string, std::string>> ask_mirror(const std::vector<std::string> &packages) const {
    std::map<std::string, std::string> served;
    for (const Stanza &stanza : TRY(apt_.binaries(packages))) {
      const SourceName of = source_of_binary(stanza);
      const std::string &version = stanza.get("version");
      if (of.source != source_.source || of.version != source_.version || !is_version(version)) continue;
      if (stanza.get("architecture") != "amd64") continue;
      std::string &best = served[stanza.get("package")];
      if (best.empty() || compare_versions(best, version) < 0) best = version;
    }
    return served;
  }

  Status take_installed(const std::string &package) {
    const std::string list = TRY(run_tool_for_output({{kDpkgQuery, "-L", package}}));
    for (size_t at = 0; at < list.size();) {
      const size_t end = std::min(list.find('\n', at), list.size());
      take(list.substr(at, end - at), list.substr(at, end - at), package);
      at = end + 1;
    }
    return {};
  }

  Status take_served(const std::string &package, const std::string &version) {
    const fs::path folder = folder_ / package;
    std::error_code error;
    if (!fs::exists(folder / "complete")) {
      say_(cat("fetching ", package, " ", version, " as it is shipped"));
      fs::remove_all(folder, error);
      fs::create_directories(folder / "deb", error);
      TRY_WHILE(apt_.download_binary(package, version, folder / "deb"), cat("fetching ", package, " ", version));
      for (const fs::directory_entry &entry : fs::directory_iterator(folder / "deb", error))
        TRY(run_tool_for_output({{"/usr/bin/dpkg-deb", "-x", entry.path().string(), (folder / "files").string()}}));
      TRY(write_file_atomic(folder / "complete", {}));
    }
    for (fs::recursive_directory_iterator it(folder / "files", error); !error && it != fs::recursive_directory_iterator(); it.increment(error))
      take(it->path(), "/" + it->path().lexically_relative(folder / "files").string(), package);
    if (error) return Error::failed(cat("cannot list ", folder.string(), ": ", error.message()));
    return {};
  }

  void take(const fs::path &file, const std::string &installed, const std::string &package) {
    // Separate debugging information has the shape of a linked file and no code.
    if (installed.starts_with("/usr/lib/debug/") || !is_linked_file(file)) return;
    Result<ImageFacts> facts = read_image_facts(file);
    if (!facts) {
      shipped_.notes.push_back(cat(installed, " cannot be read: ", facts.error().what()));
      return;
    }
    // dpkg and dpkg-deb keep the times that files have in a package.
    struct stat info {};
    if (::stat(file.c_str(), &info) == 0) shipped_.newest_seconds = std::max<int64_t>(shipped_.newest_seconds, info.st_mtim.tv_sec);
    shipped_.files.push_back({file, package, {root_.canonical(installed), std::move(*facts)}, file == installed});
  }

  const Apt &apt_;
  const BuildRoot &root_;
  const SourceName &source_;
  fs::path folder_;
  const Say &say_;
  Shipped shipped_;
};

}  // namespace

Result<Shipped> find_shipped(const Apt &apt, const BuildRoot &root, const SourceName &source, const std::vector<std::string> &packages,
                             const fs::path &folder, const Say &say) {
  return Finder(apt, root, source, folder, say).run(packages);
}

}  // namespace suture
