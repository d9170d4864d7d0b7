#include "pipeline/debian_build.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "base/cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "build/patch_tree.h"
#include "build/tree.h"
#include "debian/apt.h"
#include "debian/private_root.h"
#include "debian/toolchain.h"
#include "pipeline/debian_images.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

// Where Debian's build daemons have built since 2023.
constexpr const char *kBuildFolder = "/build/reproducible-path/";
// debian/rules is a makefile, which calls make as it was itself called: by name, so that the wrapper is met.
constexpr const char *kBuildCommand = "exec make -f debian/rules build-arch";
// Some packages build and install in one step. Nothing of it needs root's rights (build_root.cc); rules that debhelper did not make
// may have no target for what a package holds but that for the package itself.
constexpr const char *kInstallCommand = R"(if make -n -f debian/rules install-arch > /dev/null 2>&1; then
  exec make -f debian/rules install-arch
fi
exec make -f debian/rules binary-arch)";
// debhelper's stamp makes a second run do nothing. What dh would do without the stamp, it tells when asked not to act; of that,
// what comes after the configuration is done again. Tests are left out by dh itself, not by their targets. Other packages have stamps
// of their own, which are left alone: then nothing is compiled, which is noticed, and the whole tree is built again.
constexpr const char *kAgainCommand = R"(set -e
stamp=debian/debhelper-build-stamp
[ -e $stamp ] || exec make -f debian/rules build-arch
rm $stamp
DH_NO_ACT=1 debian/rules build-arch | sed -n 's/^   //p' | awk '
  /dh_auto_configure/ { count = 0; configured = 1; next }
  /dh_auto_test/ { next }
  { sub(/^create-stamp/, "touch"); line[count++] = $0 }
  END { if (configured) for (i = 0; i < count; i++) print line[i] }' > debian/suture-steps
[ -s debian/suture-steps ] || { touch $stamp; exec make -f debian/rules build-arch; }
exec sh -e debian/suture-steps)";
constexpr const char *kPrepareCommand = "debian/rules clean";

// May the steps before compiling be left out the second time? Not when the fix touches what they may read.
bool is_compiled_source(const std::string &path) {
  static const std::set<std::string> endings = {".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx"};
  for (const char *unread : {".pc/", "debian/patches/", "debian/changelog", "debian/tests/"})
    if (path.starts_with(unread)) return true;
  return !path.starts_with("debian/") && endings.contains(fs::path(path).extension().string());
}

constexpr uint64_t kMaxRecordBytes = 64u << 20;

// Colons stand in too many lists of folders.
std::string folder_name(std::string version) {
  std::replace(version.begin(), version.end(), ':', '_');
  return version;
}

Status remove_folder(const fs::path &folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) return Error::failed(cat("cannot remove ", folder.string(), ": ", error.message()));
  return {};
}

// What the closures of the build request need as long as it lives.
struct Setup {
  explicit Setup(BuildRoot opened) : root(std::move(opened)) {}
  BuildRoot root;
  Shipped shipped;
};

// `compiler_folder` goes before the default's names in the search path; may be empty.
std::vector<std::string> environment_of(const BuildRoot &root, unsigned jobs, const std::string &compiler_folder) {
  std::vector<std::string> environment = root.environment();
  for (std::string &entry : environment) {
    if (entry.starts_with("DEB_BUILD_OPTIONS=")) entry += cat(" parallel=", jobs);
    if (entry.starts_with("PATH=") && !compiler_folder.empty()) entry.insert(5, compiler_folder + ":");
  }
  return environment;
}

class Preparation {
 public:
  Preparation(const DebianRequest &request, BuildRequest &build, DebianReport &report, const Say &say)
      : request_(request), build_(build), report_(report), say_(say) {}

  Status run() {
    const double start = seconds_now();
    TRY(check_patches());
    TRY(check_private_roots());
    const Apt apt = TRY(Apt::open(request_.cache / "apt", say_));
    TRY(begin_report(apt));
    TRY(fetch(apt));
    TRY(fetch_named_patches(apt));
    dsc_files_ = {old_source_.dsc};
    if (!request_.to.empty()) dsc_files_.push_back(new_source_.dsc);
    auto setup = std::make_shared<Setup>(TRY(BuildRoot::open(apt, request_.cache, work_ / "root", dsc_files_, say_)));
    report_.root_reused = setup->root.was_there();
    TRY_WHILE(unpack_source(old_source_, setup->root, say_), cat("unpacking the source of ", name_.version));
    if (!request_.to.empty()) TRY_WHILE(unpack_source(new_source_, setup->root, say_), cat("unpacking the source of ", request_.to));
    TRY(find_named_patches(setup->root));
    const std::vector<std::string> packages = TRY(wanted_packages(old_source_));
    setup->shipped = TRY(find_shipped(apt, setup->root, name_, packages, work_ / "shipped", say_));
    report_.notes.insert(report_.notes.end(), setup->shipped.notes.begin(), setup->shipped.notes.end());
    for (const ShippedFile &file : setup->shipped.files) report_.candidates.push_back(file.known.path);
    TRY(find_wanted_images(*setup));
    TRY(make_trees());
    TRY(choose_second_build());
    TRY(choose_build_path(setup->shipped));
    TRY(choose_compiler(apt, *setup));
    TRY(compare_with_record(*setup));
    fill(setup);
    report_.setup_seconds = seconds_now() - start;
    return {};
  }

 private:
  Status begin_report(const Apt &apt) {
    name_ = request_.source;
    if (!is_fetched(name_)) name_.version = TRY(resolve_version(apt, name_));
    work_ = work_folder(name_);
    report_.source = name_.source;
    report_.version = name_.version;
    report_.to = request_.to;
    report_.release = apt.release();
    report_.work = work_;
    return {};
  }

  fs::path work_folder(const SourceName &name) const {
    return request_.work.empty() ? request_.cache / cat(name.source, "_", folder_name(name.version)) : fs::absolute(request_.work).lexically_normal();
  }
  fs::path source_folder(const std::string &version) const { return work_ / "source" / folder_name(version); }

  // Then the mirror need not be asked again what there is.
  bool is_fetched(const SourceName &name) const {
    return !name.version.empty() && fs::exists(work_folder(name) / "source" / folder_name(name.version) / kFetchedMark);
  }

  // Before anything that takes long: each is a file, or named out of the series of a version.
  Status check_patches() {
    for (const fs::path &patch : request_.patches) {
      if (::access(patch.c_str(), R_OK) == 0) continue;
      const int why = errno;
      named_patches_[patch] = {};
      if (!parse_series_patch(patch.string())) return Error::usage(cat("cannot read the patch ", patch.string(), ": ", std::strerror(why)))
          .with_next("give a file, or VERSION/NAME for a patch of debian/patches of that version");
    }
    return {};
  }

  Status fetch_named_patches(const Apt &apt) {
    for (auto &[patch, source] : named_patches_) {
      const std::string version = parse_series_patch(patch.string())->version;
      source = TRY(fetch_source(apt, {name_.source, version}, source_folder(version), say_));
    }
    return {};
  }

  Status find_named_patches(const BuildRoot &root) {
    patches_ = request_.patches;
    for (fs::path &patch : patches_) {
      const auto named = named_patches_.find(patch);
      if (named == named_patches_.end()) continue;
      TRY_WHILE(unpack_source(named->second, root, say_), cat("unpacking the source of ", named->second.version));
      patch = TRY(find_series_patch(named->second, parse_series_patch(patch.string())->name));
    }
    return {};
  }

  Status fetch(const Apt &apt) {
    old_source_ = TRY(fetch_source(apt, name_, source_folder(name_.version), say_));
    if (!request_.to.empty()) new_source_ = TRY(fetch_source(apt, {name_.source, request_.to}, source_folder(request_.to), say_));
    for (const std::vector<std::string> &notes : {old_source_.notes, new_source_.notes}) report_.notes.insert(report_.notes.end(), notes.begin(), notes.end());
    return {};
  }

  // Once a tree was configured for a fix, it is not known to be configured for any other.
  Status choose_second_build() {
    const fs::path configured = work_ / "configured-for-a-fix";
    bool compiled_only = true;
    for (const TreeChange &change : TRY(compare_trees(build_.pre_dir, build_.post_dir))) {
      report_.changed_files.push_back(change.path);
      compiled_only = compiled_only && is_compiled_source(change.path);
    }
    if (!compiled_only) TRY(write_file_atomic(configured, {}));
    if (fs::exists(configured)) build_.second_build = BuildRequest::SecondBuild::whole_tree;
    report_.whole_tree = build_.second_build == BuildRequest::SecondBuild::whole_tree;
    return {};
  }

  Result<std::vector<std::string>> wanted_packages(const FetchedSource &source) const {
    for (const std::string &package : request_.packages)
      if (std::find(source.packages.begin(), source.packages.end(), package) == source.packages.end())
        return Error::refused(cat("the source makes no package ", package)).with_next(cat("it makes ", joined(source.packages)));
    return request_.packages.empty() ? source.packages : request_.packages;
  }

  Status find_wanted_images(const Setup &setup) {
    const std::vector<std::string> &known = report_.candidates;
    for (const std::string &image : request_.images) {
      const std::string path = setup.root.canonical(image);
      if (std::find(known.begin(), known.end(), path) == known.end())
        return Error::refused(cat("no package of ", name_.source, " ships a program or library as ", image)).with_next("--plan lists those that there are");
      wanted_images_.insert(path);
    }
    return {};
  }

  Status make_trees() {
    build_.pre_dir = old_source_.tree();
    build_.post_dir = work_ / "post";
    TRY(remove_folder(build_.post_dir));
    if (request_.to.empty()) return make_patched_tree(build_.pre_dir, patches_, build_.post_dir);
    TRY(copy_tree(new_source_.tree(), build_.post_dir));
    const std::vector<fs::path> without = TRY(find_series_patches(new_source_, request_.without));
    TRY(take_back_patches(build_.post_dir, without));
    TRY(apply_patches(build_.post_dir, patches_));
    // The version in the changelog goes into banners and build dates all over a package: it is no part of the fix.
    const WantedFile changelog = TRY(read_wanted(build_.pre_dir / "debian/changelog"));
    (void)TRY(put_wanted(build_.post_dir / "debian/changelog", changelog));  // whether they differed does not matter
    return {};
  }

  Status choose_build_path(const Shipped &shipped) {
    const std::string folder = cat(name_.source, "-", upstream_version(name_.version));
    report_.build_path = kBuildFolder + folder;
    for (const ShippedFile &file : shipped.files) {
      const std::string path = TRY(embedded_build_path(file.file, folder));
      if (path.empty()) continue;
      report_.build_path = path;
      report_.build_path_embedded = true;
      break;
    }
    return {};
  }

  // A compiler of its own goes before the default's names in the search path.
  Status choose_compiler(const Apt &apt, const Setup &setup) {
    const auto release_has = [&](unsigned gcc) {
      const Result<std::vector<Stanza>> found = apt.binaries({cat("gcc-", gcc)});
      return found && !found->empty();
    };
    Toolchain chosen{request_.gcc, {}};
    if (chosen.gcc == 0)
      chosen = choose_toolchain(setup.shipped.newest_seconds, major_version(setup.root.version_of("gcc")), release_has);
    if (!chosen.note.empty()) report_.notes.push_back(chosen.note);
    if (chosen.gcc == 0) return {};
    compiler_folder_ = TRY(provide_gcc(setup.root, chosen.gcc, say_));
    report_.compiler = cat("gcc-", chosen.gcc);
    return {};
  }

  // What the shipped binaries were compiled with is in no binary; a record of their build tells.
  Status compare_with_record(const Setup &setup) {
    if (request_.buildinfo.empty()) {
      report_.notes.push_back("the exact versions of what the shipped binaries were compiled with are not recorded in them, and mirrors have no build records "
                              "(.buildinfo): the root has the mirror's present ones");
      return {};
    }
    const std::string text = TRY(read_text(request_.buildinfo, kMaxRecordBytes));
    const BuildInfo info = TRY_WHILE(parse_buildinfo(text), cat("reading ", request_.buildinfo.string()));
    if (info.source != name_.source || (info.version != name_.version && !info.version.starts_with(name_.version + "+b")))
      return Error::refused(cat(request_.buildinfo.string(), " is of ", info.source, " ", info.version, ", not of ", name_.source, " ", name_.version));
    report_.versions = compare_installed(info, setup.root.installed());
    return {};
  }

  void fill(const std::shared_ptr<Setup> &setup) {
    build_.build_path = report_.build_path;
    build_.build_command = request_.build_command.empty() ? kBuildCommand : request_.build_command;
    if (request_.build_command.empty()) {
      build_.again_command = kAgainCommand;
      build_.further_command = kInstallCommand;
      build_.is_all_linked = [setup](const std::vector<LinkedOutput> &outputs) -> Result<bool> { return are_all_linked(setup->shipped, outputs); };
    }
    build_.prepare_command = kPrepareCommand;
    build_.work_dir = work_ / "work";
    DebianReport &report = report_;
    BuildPlace place;
    place.root = setup->root.folder();
    const unsigned jobs = request_.jobs != 0 ? request_.jobs : std::max(1u, std::thread::hardware_concurrency());
    place.environment = environment_of(setup->root, jobs, compiler_folder_);
    place.give_more = [setup, jobs, &report, say = say_, dsc_files = dsc_files_, compiler_folder = compiler_folder_]() -> Result<std::vector<std::string>> {
      if (setup->root.has_all_dependencies()) return std::vector<std::string>();
      say("the build failed; installing what it needs for tests and documentation, too");
      TRY_WHILE(setup->root.install_all_dependencies(dsc_files), "installing the build dependencies of tests and documentation");
      report.notes.push_back("the first build failed; the root was given the build dependencies of tests and documentation, too, and it was tried again");
      return environment_of(setup->root, jobs, compiler_folder);
    };
    const fs::path shared = build_.work_dir, tree = place.root / fs::path(report_.build_path).relative_path();
    BuildRoot::Writable writable{{tree}, {}};
    for (const char *folder : kWrapperFolders) writable.folders.push_back(shared / folder);
    place.run = [setup, shared, writable](const ProcessRequest &process) { return setup->root.run(process, shared, writable); };
    build_.place = std::move(place);
    build_.note = [&report](const std::string &text) { report.notes.push_back(text); };
    build_.shipped_outputs = [setup](const std::vector<LinkedOutput> &outputs) -> Result<std::set<std::string>> { return outputs_that_may_ship(setup->shipped, outputs); };
    build_.choose_images = [setup, &report, wanted = wanted_images_](const std::vector<LinkedOutput> &outputs) {
      return choose_debian_images(setup->shipped, outputs, wanted, report);
    };
  }

  const DebianRequest &request_;
  BuildRequest &build_;
  DebianReport &report_;
  const Say &say_;
  SourceName name_;
  FetchedSource old_source_, new_source_;
  std::map<fs::path, FetchedSource> named_patches_;  // those of the request that are no files
  std::vector<fs::path> dsc_files_;                  // of the sources to build
  std::vector<fs::path> patches_;                    // of the request, as files
  fs::path work_;
  std::set<std::string> wanted_images_;  // of the request, as the root has them
  std::string compiler_folder_;  // as the root sees it; empty: the default compiler
};

}  // namespace

fs::path debian_cache_folder() {
  const char *chosen = ::getenv("SUTURE_BUILD_CACHE");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/var/cache/suture/build";
}

Status prepare_debian_build(const DebianRequest &request, BuildRequest &build, DebianReport &report, const Say &say) {
  std::error_code error;
  fs::create_directories(request.cache, error);
  if (error) return Error::refused(cat("cannot create ", request.cache.string(), ": ", error.message())).with_next("name another folder in SUTURE_BUILD_CACHE");
  Status prepared = Preparation(request, build, report, say).run();
  if (!prepared) return with_advice_on_space(std::move(prepared).error(), report.work.empty() ? request.cache : report.work);
  return prepared;
}

Error with_advice_on_space(Error error, const fs::path &folder) {
  if (error.what().find(std::strerror(ENOSPC)) == std::string::npos || !error.next().empty()) return error;
  std::error_code ignored;
  const fs::space_info space = fs::space(folder, ignored);
  return std::move(error).with_next(cat("make room on the file system of ", folder.string(), ", which has ", ignored ? 0 : space.available >> 20,
                                        " MiB left, or name another folder: --work, or SUTURE_BUILD_CACHE for all"));
}

}  // namespace suture
