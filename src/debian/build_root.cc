#include "debian/build_root.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/cat.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/hash.h"
#include "debian/control_file.h"
#include "debian/left_behind.h"
#include "debian/run_tool.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

// In the range that Debian policy (9.2.2) reserves: no system gives it to anybody.
constexpr uid_t kBuildUser = 65432;
constexpr const char *kSearchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr const char *kPasswdLine = "suture-build:x:65432:65432::/nonexistent:/bin/sh\n";
constexpr const char *kGroupLine = "suture-build:x:65432:\n";
constexpr uint64_t kMaxRootOutputBytes = 256u << 20;
// What no image comes of is not built: tests, documentation, libraries of other instruction sets, the installer's packages. None of
// these changes what the other packages hold (https://wiki.debian.org/BuildProfileSpec).
constexpr const char *kProfiles = "nocheck nodoc nobiarch noudeb";
constexpr const char *kProfilesWithAll = "nobiarch noudeb";
constexpr const char *kReadyMark = ".suture-root";
constexpr const char *kAllMark = ".suture-root-has-all";  // has_all_dependencies()

std::string comma_separated(std::string words) {
  std::replace(words.begin(), words.end(), ' ', ',');
  return words;
}

Status append_text(const fs::path &file, std::string_view text) {
  std::string content = TRY(read_text(file));
  if (content.find(text) == std::string::npos) content += text;
  return write_file_atomic(file, as_bytes(content));
}

// Runs a tool that may be ended only together with us, and tells the end of its log when it fails.
Status run_logged(const PrivateRoot &root, std::vector<std::string> words, const fs::path &log,
                  std::vector<std::string> environment) {
  std::error_code ignored;  // appended to when it cannot be removed
  fs::remove(log, ignored);
  ProcessRequest request;
  request.program = words[0];
  request.words = std::move(words);
  request.environment = std::move(environment);
  request.stdin_file = "/dev/null";
  request.stdout_file = request.stderr_file = log.string();
  const ProcessOutcome outcome = TRY(run_in_private_root(root, request));
  if (outcome.succeeded()) return {};
  return Error::failed(cat(fs::path(request.program).filename().string(), " ", outcome.text(), ":", end_of_text(end_of_file(log))))
      .with_next(cat("the whole output is in ", log.string()));
}

// A file that has a second name may be one of root's, which an earlier build linked into its tree to be given it.
bool give(const fs::path &path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || (info.st_uid == kBuildUser && info.st_gid == kBuildUser)) return true;
  if (S_ISREG(info.st_mode) && info.st_nlink > 1) return errno = EMLINK, false;
  return ::lchown(path.c_str(), kBuildUser, kBuildUser) == 0;
}

// Everything below, or only the folders; links themselves, never what they lead to.
enum class Given { everything, folders };
Status give_to_build_user(const fs::path &path, Given what) {
  std::error_code error;
  if (!give(path)) return Error::from_errno(errno, cat("giving ", path.string(), " to the build user"));
  for (fs::recursive_directory_iterator it(path, error); !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    std::error_code gone;
    if (what == Given::folders && !(it->is_directory(gone) && !it->is_symlink(gone))) continue;
    if (!give(it->path())) return Error::from_errno(errno, cat("giving ", it->path().string(), " to the build user"));
  }
  if (error) return Error::failed(cat("cannot list ", path.string(), ": ", error.message()));
  return {};
}

Status empty_folder(const fs::path &folder) {
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder, error)) {
    fs::remove_all(entry.path(), error);
    if (error) return Error::failed(cat("cannot remove ", entry.path().string(), ": ", error.message()));
  }
  return {};
}

std::vector<std::string> root_environment() {
  return {kSearchPath, "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "HOME=/root"};
}

// The release's minimal system, made once.
Result<fs::path> base_system(const Apt &apt, const fs::path &cache, const Say &say) {
  const fs::path base = cache / cat("base-", apt.release());
  const Fd lock(::open((cache / "base.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock) return Error::from_errno(errno, cat("cannot create ", (cache / "base.lock").string()));
  (void)::flock(lock.get(), LOCK_EX);  // another build may be making it: wait for it
  if (fs::exists(base / kReadyMark)) return base;
  if (::access("/usr/bin/mmdebstrap", X_OK) != 0)
    return Error::refused("mmdebstrap, which makes the build root, is not installed").with_next("apt-get install mmdebstrap");
  const fs::path unfinished = cache / cat("base-", apt.release(), ".unfinished");
  std::error_code error;
  fs::remove_all(unfinished, error);
  std::string sources;
  for (const std::string &entry : apt.entries()) sources += cat("deb ", entry, "\n");
  TRY(write_file_atomic(cache / "base-sources.list", as_bytes(sources)));
  TRY(write_file_atomic(cache / "base-apt.conf", as_bytes(apt.settings())));
  say(cat("making the minimal system of ", apt.release(), " (once)"));
  std::vector<std::string> environment = current_environment();
  TRY(run_logged({"/", {}, PrivateRoot::Network::on},
                 {"/usr/bin/mmdebstrap", "--mode=root", "--variant=buildd", "--format=directory",
                  cat("--aptopt=", (cache / "base-apt.conf").string()), "--dpkgopt=force-unsafe-io", apt.release(), unfinished.string(),
                  (cache / "base-sources.list").string()},
                 cache / "base.log", environment));
  TRY(append_text(unfinished / "etc/passwd", kPasswdLine));
  TRY(append_text(unfinished / "etc/group", kGroupLine));
  TRY(write_file_atomic(unfinished / "etc/apt/apt.conf.d/90suture", as_bytes(cat(apt.settings(), "APT::Sandbox::User \"root\";\n"))));
  TRY(write_file_atomic(unfinished / kReadyMark, {}));
  if (::rename(unfinished.c_str(), base.c_str()) != 0) return Error::from_errno(errno, cat("cannot rename to ", base.string()));
  return base;
}

// The names of the root's own resolver: the mirror is reached as this host reaches it.
void copy_resolver(const fs::path &root) {
  std::error_code ignored;  // without one the installation fails, and says so
  fs::remove(root / "etc/resolv.conf", ignored);
  fs::copy_file("/etc/resolv.conf", root / "etc/resolv.conf", ignored);
  fs::remove(root / "etc/hosts", ignored);
  fs::copy_file("/etc/hosts", root / "etc/hosts", ignored);
}

}  // namespace

Result<BuildRoot> BuildRoot::open(const Apt &apt, const fs::path &cache, const fs::path &folder, const std::vector<fs::path> &dsc_files,
                                  const Say &say) {
  BuildRoot root;
  root.root_ = folder;
  // A line for each .dsc whose build dependencies are in; a root that was made for more will do, too.
  root.has_all_ = fs::exists(folder / kAllMark);
  const Result<std::string> mark = read_text(folder / kReadyMark);
  std::string installed = mark ? *mark : "";
  std::vector<fs::path> missing;
  for (const fs::path &dsc : dsc_files)
    if (installed.find(to_hex(sha256(TRY(read_file(dsc))))) == std::string::npos) missing.push_back(dsc);
  root.was_there_ = missing.empty();
  if (missing.empty()) return root;
  if (installed.empty()) {
    const fs::path base = TRY_WHILE(base_system(apt, cache, say), "making the minimal system");
    TRY(root.copy_base(base));
  }
  say("installing the build dependencies");
  TRY_WHILE(root.install(missing, root.profiles()), "installing the build dependencies in the build root");
  for (const fs::path &dsc : missing) installed += to_hex(sha256(TRY(read_file(dsc)))) + "\n";
  TRY(write_file_atomic(folder / kReadyMark, as_bytes(installed)));
  return root;
}

Status BuildRoot::copy_base(const fs::path &base) const {
  std::error_code error;
  fs::remove_all(root_, error);
  if (error) return Error::failed(cat("cannot remove ", root_.string(), ": ", error.message()));
  fs::create_directories(root_.parent_path(), error);
  TRY(run_tool_for_output({{"/bin/cp", "-a", "--reflink=auto", base.string(), root_.string()}}));
  return {};
}

const char *BuildRoot::profiles() const {
  return has_all_ ? kProfilesWithAll : kProfiles;
}

Status BuildRoot::install_all_dependencies(const std::vector<fs::path> &dsc_files) {
  TRY(install(dsc_files, kProfilesWithAll));
  TRY(write_file_atomic(root_ / kAllMark, {}));
  has_all_ = true;
  return {};
}

Status BuildRoot::install(const std::vector<fs::path> &dsc_files, const char *profiles) const {
  // In a folder that no build could write to: what lies in /tmp may be a link that an earlier one left.
  std::vector<std::string> inside;
  for (const fs::path &dsc : dsc_files) {
    inside.push_back("/root/" + dsc.filename().string());
    std::error_code error;
    fs::copy_file(dsc, root_ / inside.back().substr(1), fs::copy_options::overwrite_existing, error);
    if (error) return Error::failed(cat("cannot copy ", dsc.string(), ": ", error.message()));
  }
  // What builds the packages of an architecture, as build daemons do.
  std::vector<std::string> words = {"--no-install-recommends", "--arch-only", "-P", comma_separated(profiles), "build-dep"};
  words.insert(words.end(), inside.begin(), inside.end());
  return run_apt(std::move(words));
}

Status BuildRoot::add_packages(const std::vector<std::string> &packages) const {
  std::vector<std::string> words = {"--no-install-recommends", "install"};
  words.insert(words.end(), packages.begin(), packages.end());
  return run_apt(std::move(words));
}

Status BuildRoot::run_apt(std::vector<std::string> words) const {
  copy_resolver(root_);
  // Maintainer scripts run as root in there; a build may have left names for them in the folders that all can write to.
  for (const char *folder : {"tmp", "var/tmp"}) TRY(empty_folder(root_ / folder));
  const PrivateRoot root{root_, {}, PrivateRoot::Network::on};
  const fs::path logs = root_.parent_path();
  TRY(run_logged(root, {"/usr/bin/apt-get", "-q", "update"}, logs / "root-update.log", root_environment()));
  words.insert(words.begin(), {"/usr/bin/apt-get", "-q", "-y"});
  TRY(run_logged(root, words, logs / "root-install.log", root_environment()));
  return run_logged(root, {"/usr/bin/apt-get", "-q", "clean"}, logs / "root-clean.log", root_environment());
}

std::vector<std::string> BuildRoot::environment() const {
  return {kSearchPath, "HOME=/nonexistent", "LOGNAME=suture-build", "USER=suture-build", "SHELL=/bin/sh",
          "DEB_BUILD_OPTIONS=nocheck nodoc", cat("DEB_BUILD_PROFILES=", profiles()),
          // Nothing of what is run here, cleaning and compiling, needs root's rights, though older rules ask for them (dh_testroot).
          "DEB_RULES_REQUIRES_ROOT=no"};
}

Result<ProcessOutcome> BuildRoot::run(const ProcessRequest &request, const fs::path &shared, const Writable &writable) const {
  for (const fs::path &tree : writable.trees) TRY(give_to_build_user(tree, Given::everything));
  for (const fs::path &folder : writable.folders) TRY(give_to_build_user(folder, Given::folders));
  PrivateRoot root{root_, {}, PrivateRoot::Network::off, kBuildUser};
  if (!shared.empty()) root.shared.push_back(shared);
  Result<ProcessOutcome> outcome = run_in_private_root(root, request);
  for (const fs::path &folder : writable.folders) TRY(check_left_behind(folder, {}));
  return outcome;
}

Result<std::string> BuildRoot::output_of(const std::vector<std::string> &words, const std::string &folder, const fs::path &shared) const {
  const TempDir scratch = TRY(TempDir::create("suture-root"));
  ProcessRequest request;
  request.program = words[0];
  request.words = words;
  request.environment = environment();
  request.folder = folder;
  request.stdin_file = "/dev/null";
  request.stdout_file = (scratch.path() / "out").string();
  request.stderr_file = (scratch.path() / "err").string();
  const ProcessOutcome outcome = TRY(run(request, shared, {{shared}, {}}));
  std::string output = TRY(read_text(scratch.path() / "out", kMaxRootOutputBytes));
  if (outcome.succeeded()) return output;
  return Error::failed(cat(words[0], " ", outcome.text(), ":", end_of_text(end_of_file(scratch.path() / "err"))));
}

std::string BuildRoot::canonical(const std::string &path) const {
  // Only the first folder is a link in a merged /usr; anything more would be for the package's own links to decide.
  const size_t second = path.find('/', 1);
  if (second == std::string::npos) return path;
  std::error_code error;
  const fs::path target = fs::read_symlink(root_ / path.substr(1, second - 1), error);
  if (error || target.is_absolute()) return path;
  return "/" + target.string() + path.substr(second);
}

std::map<std::string, std::string> BuildRoot::installed() const {
  std::map<std::string, std::string> versions;
  const Result<std::string> text = read_text(root_ / "var/lib/dpkg/status");
  const Result<std::vector<Stanza>> stanzas = parse_control(text ? *text : "");
  if (!stanzas) return versions;
  for (const Stanza &stanza : *stanzas)
    if (stanza.get("status") == "install ok installed") versions[stanza.get("package")] = stanza.get("version");
  return versions;
}

std::string BuildRoot::version_of(const std::string &package) const {
  const std::map<std::string, std::string> versions = installed();
  const auto found = versions.find(package);
  return found == versions.end() ? std::string() : found->second;
}

}  // namespace suture
