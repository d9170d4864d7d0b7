#include "debian/apt.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "base/cat.h"
#include "base/fd.h"
#include "base/file.h"
#include "debian/index_dsc.h"
#include "debian/run_tool.h"
#include "debian/version.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr auto kListsAge = std::chrono::hours(1);
// apt asks a mirror again when a connection breaks.
constexpr const char *kNotFound = "404 ";
constexpr const char *kRetries = "Acquire::Retries \"3\";\n";

bool is_plain_word(const std::string &word) {
  return !word.empty() && word.find_first_of(" \t\n[]\"") == std::string::npos;
}

std::string value_in(const std::string &text, const std::string &key) {
  const size_t at = text.find("\n" + key + "=");
  if (at == std::string::npos) return {};
  const size_t start = at + key.size() + 2;
  std::string value = text.substr(start, text.find('\n', start) - start);
  std::erase(value, '"');
  return value;
}

}  // namespace

std::vector<std::string> debian_entries(const std::vector<Stanza> &targets) {
  std::vector<std::string> entries;
  for (const Stanza &target : targets) {
    const std::string &uri = target.get("repo-uri"), &suite = target.get("release"), &component = target.get("component");
    const std::string &key = target.get("signed-by");
    if (target.get("origin") != "Debian" || target.get("created-by") != "Packages") continue;
    if (!is_plain_word(uri) || !is_plain_word(suite) || !is_plain_word(component)) continue;
    std::string entry = is_plain_word(key) && key[0] == '/' ? cat("[signed-by=", key, "] ") : std::string();
    entry += cat(uri, " ", suite, " ", component);
    if (std::find(entries.begin(), entries.end(), entry) == entries.end()) entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<SourceFile> source_files(const std::string &print_uris) {
  std::vector<SourceFile> files;
  for (size_t at = 0; at < print_uris.size();) {
    const size_t end = std::min(print_uris.find('\n', at), print_uris.size());
    const std::vector<std::string> words = words_of(std::string_view(print_uris).substr(at, end - at));
    at = end + 1;
    if (words.size() != 4 || !words[0].starts_with("'") || !words[0].ends_with("'")) continue;
    const std::string uri = words[0].substr(1, words[0].size() - 2);
    if (words[1].find('/') != std::string::npos || words[1].starts_with(".") || !words[3].starts_with("SHA256:")) continue;
    files.push_back({words[1], uri.substr(uri.rfind('/') + 1), words[3]});
  }
  return files;
}

Result<Apt> Apt::open(const fs::path &folder, const std::function<void(const std::string &)> &say) {
  Apt apt;
  apt.folder_ = folder;
  std::error_code error;
  for (const char *name : {"state/lists/partial", "cache/archives/partial"}) fs::create_directories(folder / name, error);
  if (error) return Error::failed(cat("cannot create ", folder.string(), ": ", error.message()));
  const Fd lock(::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock) return Error::from_errno(errno, cat("cannot create ", (folder / "lock").string()));
  (void)::flock(lock.get(), LOCK_EX);  // another build may be asking the mirror: wait for it
  const std::string listed = TRY(run_tool_for_output({{"/usr/bin/apt-get", "indextargets", "Created-By: Packages"}}));
  const std::vector<Stanza> targets = TRY(parse_control(listed));
  apt.entries_ = debian_entries(targets);
  if (apt.entries_.empty())
    return Error::refused("this host's apt has no archive of Debian: there is nothing to take the build root from")
        .with_next("add Debian's mirror to /etc/apt/sources.list and run apt-get update");
  apt.release_ = value_in("\n" + TRY(read_text("/etc/os-release")), "VERSION_CODENAME");
  if (!is_plain_word(apt.release_)) return Error::refused("/etc/os-release does not say which release of Debian this is");
  apt.settings_ = kRetries + TRY(run_tool_for_output({{"/usr/bin/apt-config", "dump", "--format", "%F \"%v\";%n", "Acquire::http",
                                                       "Acquire::https", "Acquire::Check-Valid-Until", "Acquire::Check-Date"}}));
  std::string sources;
  for (const std::string &entry : apt.entries_) sources += cat("deb ", entry, "\ndeb-src ", entry, "\n");
  const bool same = read_text(folder / "sources.list").has_value() && *read_text(folder / "sources.list") == sources;
  TRY(write_file_atomic(folder / "sources.list", as_bytes(sources)));
  TRY(write_file_atomic(folder / "status", {}));
  const std::string at = folder.string();
  TRY(write_file_atomic(folder / "apt.conf",
                        as_bytes(cat("Dir::State \"", at, "/state\";\nDir::State::status \"", at, "/status\";\nDir::Cache \"", at,
                                     "/cache\";\nDir::Etc::sourcelist \"", at, "/sources.list\";\nDir::Etc::sourceparts \"-\";\n",
                                     "APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n", apt.settings_))));
  const fs::path stamp = folder / "updated";
  const auto when = fs::last_write_time(stamp, error);
  if (same && !error && fs::file_time_type::clock::now() - when < kListsAge) return apt;
  say("asking the mirror what there is");
  const Result<std::string> asked = apt.run({"/usr/bin/apt-get", "update", "--error-on=any"});
  if (!asked && same && !error) {  // what it had last is still there to go by
    say("the mirror cannot be asked; going by what it had last");
    return apt;
  }
  TRY_WHILE(Result<std::string>(asked), "asking the mirror what there is");
  TRY(write_file_atomic(stamp, {}));
  return apt;
}

Result<std::string> Apt::run(std::vector<std::string> words, const fs::path &folder) const {
  // Given with -c, it is read after the host's own settings.
  words.insert(words.begin() + 1, {"-c", (folder_ / "apt.conf").string()});
  return run_tool_for_output({std::move(words), folder});
}

Result<std::vector<Stanza>> Apt::sources(const std::string &source) const {
  Result<std::string> text = run({"/usr/bin/apt-cache", "showsrc", "--only-source", source});
  if (!text || text->empty()) return Error::refused(cat("the mirror has no source package ", source));
  return parse_control(*text);
}

Result<std::vector<Stanza>> Apt::binaries(const std::vector<std::string> &packages) const {
  std::vector<Stanza> all;
  for (const std::string &package : packages) {
    if (!is_package_name(package)) return Error::corrupt(cat(package, " is no name of a package"));
    const Result<std::string> text = run({"/usr/bin/apt-cache", "show", "--all-versions", package});
    if (!text) continue;  // "no packages found": of another architecture, or gone
    for (Stanza &stanza : TRY(parse_control(*text))) all.push_back(std::move(stanza));
  }
  return all;
}

Result<std::string> Apt::policy(std::vector<std::string> packages) const {
  packages.insert(packages.begin(), {"/usr/bin/apt-cache", "policy"});
  return run(std::move(packages));
}

Status Apt::download_source(const std::string &source, const std::string &version, const fs::path &folder) const {
  const std::vector<std::string> words = {"/usr/bin/apt-get", "source", "--only-source", cat(source, "=", version)};
  std::vector<std::string> download = words, list = words;
  download.push_back("--download-only");
  list.push_back("--print-uris");
  const Result<std::string> downloaded = run(download, folder);
  if (downloaded) return {};
  // An index may name a file that only another of Debian's archives has (signatures of upstream's, often).
  const std::string files = TRY(run(list, folder));
  std::string dsc;
  for (const SourceFile &file : source_files(files)) {
    if (fs::exists(folder / file.name) || download_elsewhere(source, file, folder)) continue;
    if (!file.name.ends_with(".dsc")) return not_to_be_had(source, version, file, downloaded.error());
    dsc = file.name;
  }
  if (dsc.empty()) return {};
  return write_dsc(source, version, folder / dsc);
}

Error Apt::not_to_be_had(const std::string &source, const std::string &version, const SourceFile &file, const Error &cause) const {
  if (cause.what().find(kNotFound) == std::string::npos)
    return Error::failed(cat("cannot fetch ", file.name, " of ", source, " ", version, ": ", cause.what())).with_next("see that this host reaches its mirrors: apt-get update");
  return Error::refused(cat("the mirror's index has ", source, " ", version, ", but none of its archives has ", file.name, " any more: ", cause.what()))
      .with_next("unpack that very version from another copy of it, and give both trees, the build command and the image: --pre, --post, --build, --image");
}

Status Apt::write_dsc(const std::string &source, const std::string &version, const fs::path &file) const {
  const auto md5_of = [&](const std::string &name) -> Result<std::string> {
    const std::string printed = TRY(run_tool_for_output({{"/usr/bin/md5sum", (file.parent_path() / name).string()}}));
    return printed.substr(0, printed.find(' '));
  };
  const std::vector<Stanza> stanzas = TRY(sources(source));
  const auto found = std::find_if(stanzas.begin(), stanzas.end(), [&](const Stanza &s) { return s.get("version") == version; });
  if (found == stanzas.end()) return Error::refused(cat("the mirror's index has no ", source, " ", version));
  const std::string text = TRY(dsc_from_index(*found, md5_of));
  TRY(write_file_atomic(file, as_bytes(text)));
  return write_file_atomic(file.parent_path() / kDscMadeMark, {});
}

bool Apt::download_elsewhere(const std::string &source, const SourceFile &file, const fs::path &folder) const {
  const Result<std::vector<Stanza>> stanzas = sources(source);
  std::set<std::string> places;
  for (const std::string &entry : entries_)
    for (const Stanza &stanza : stanzas ? *stanzas : std::vector<Stanza>()) {
      const std::vector<std::string> words = words_of(entry);
      const size_t uri = words[0].starts_with("[") ? 1 : 0;
      places.insert(cat(words[uri], words[uri].ends_with('/') ? "" : "/", stanza.get("directory"), "/"));
    }
  for (const std::string &place : places)  // its digest is that of the signed index
    if (run({"/usr/lib/apt/apt-helper", "download-file", place + file.escaped, (folder / file.name).string(), file.digest}, folder)) return true;
  return false;
}

Status Apt::download_binary(const std::string &package, const std::string &version, const fs::path &folder) const {
  TRY(run({"/usr/bin/apt-get", "download", cat(package, "=", version)}, folder));
  return {};
}

}  // namespace suture
