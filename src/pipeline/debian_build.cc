#include "pipeline/debian_build.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "base/cat.h"
#include "base/file.h"
#include "base/hash.h"
#include "build/patch_tree.h"
#include "build/tree.h"
#include "debian/apt.h"
#include "debian/private_root.h"
#include "debian/toolchain.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

// Where Debian's build daemons have built since 2023.
constexpr const char *kBuildFolder = "/build/reproducible-path/";
constexpr const char *kBuildCommand = "exec debian/rules build-arch";
// debhelper's stamp makes a second run do nothing. What dh would do without the stamp, it tells when asked not to act; of that,
// what comes after the configuration is done again. Tests are left out by dh itself, not by their targets. Other packages have stamps
// of their own, which are left alone: then nothing is compiled, which is noticed, and the whole tree is built again.
constexpr const char *kAgainCommand = R"(set -e
stamp=debian/debhelper-build-stamp
[ -e $stamp ] || exec debian/rules build-arch
rm $stamp
DH_NO_ACT=1 debian/rules build-arch | sed -n 's/^   //p' | awk '
  /dh_auto_configure/ { count = 0; configured = 1; next }
  /dh_auto_test/ { next }
  { sub(/^create-stamp/, "touch"); line[count++] = $0 }
  END { if (configured) for (i = 0; i < count; i++) print line[i] }' > debian/suture-steps
[ -s debian/suture-steps ] || { touch $stamp; exec debian/rules build-arch; }
exec sh -e debian/suture-steps)";
constexpr const char *kPrepareCommand = "debian/rules clean";

// May the steps before compiling be left out the second time? Not when the fix touches what they may read.
bool is_compiled_source(const std::string &path) {
  static const std::set<std::string> endings = {".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx"};
  for (const char *unread : {".pc/", "debian/patches/", "debian/changelog", "debian/tests/"})
    if (path.starts_with(unread)) return true;
  return !path.starts_with("debian/") && endings.contains(fs::path(path).extension().string());
}

double now_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

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

// Every shipped file whose link contains changed code is an image.
Result<std::vector<BuildRequest::Image>> choose(const Setup &setup, const std::vector<LinkedOutput> &outputs, DebianReport &report) {
  std::vector<OutputFacts> facts;
  std::vector<const LinkedOutput *> of;
  for (const LinkedOutput &output : outputs) {
    Result<ImageFacts> read = read_image_facts(output.pre);
    if (!read) continue;  // of another architecture: firmware, say
    std::string content;
    for (const ObjectPair &pair : output.objects) content += cat(pair.pre.string(), "\n");
    facts.push_back({output.output_path, std::move(content), std::move(*read)});
    of.push_back(&output);
  }
  std::vector<BuildRequest::Image> images;
  std::map<std::string, std::string> path_of_content, package_of_path;
  std::set<size_t> used;
  std::set<std::string> compilers;
  for (const ShippedFile &file : setup.shipped.files) {
    const OutputChoice choice = choose_output(file.known, facts);
    report.shipped.push_back(file.known.path);
    if (choice.kind == OutputChoice::Kind::none) {
      report.unmatched.push_back(file.known.path);
      continue;
    }
    if (choice.kind == OutputChoice::Kind::several) {
      const bool matters = std::any_of(outputs.begin(), outputs.end(), [&](const LinkedOutput &output) {
        return output.changed() && std::find(choice.equals.begin(), choice.equals.end(), output.output_path) != choice.equals.end();
      });
      if (!matters) continue;
      std::string names;
      for (const std::string &path : choice.equals) names += cat(names.empty() ? "" : ", ", path);
      return Error::refused(cat(file.known.path, " of ", file.package, " may be any of ", names, ", and the fix changes some of them"));
    }
    used.insert(choice.output);
    for (const std::string &compiler : file.known.facts.compilers)
      if (!facts[choice.output].facts.compilers.contains(compiler)) compilers.insert(compiler);
    if (!of[choice.output]->changed()) continue;
    const auto [first, is_first] = path_of_content.emplace(to_hex(sha256(TRY(read_file(file.file)))), file.known.path);
    if (!is_first) {  // one image to a package, and to every process that maps either
      report.notes.push_back(cat(file.known.path, " is the same as ", first->second, ": on disk, only the latter is replaced"));
      continue;
    }
    if (const auto [other, is_new] = package_of_path.emplace(file.known.path, file.package); !is_new)
      return Error::refused(cat(other->second, " and ", file.package, " ship different files as ", file.known.path, ", and the fix changes both"))
          .with_next("make a package for each: --package NAME");
    images.push_back({file.file.string(), of[choice.output]->output_path, file.known.path});
  }
  for (size_t i = 0; i < of.size(); ++i)
    if (of[i]->changed() && !used.contains(i)) report.unshipped.push_back(of[i]->output_path);
  for (const std::string &compiler : compilers) {
    std::string ours;
    for (size_t i : used)
      for (const std::string &name : facts[i].facts.compilers)
        if (ours.find(name) == std::string::npos) ours += cat(ours.empty() ? "" : ", ", name);
    report.notes.push_back(cat("some shipped code was compiled by ", compiler, "; the root has ", ours));
  }
  if (!images.empty()) return images;
  const bool any = std::any_of(outputs.begin(), outputs.end(), [](const LinkedOutput &output) { return output.changed(); });
  if (!any) return Error::refused("no change: the fix changes no object that the build links");
  std::string names;
  for (const std::string &path : report.unshipped) names += cat(names.empty() ? "" : ", ", path);
  return Error::refused(cat("the fix changes only what no package ships: ", names));
}

class Preparation {
 public:
  Preparation(const DebianRequest &request, BuildRequest &build, DebianReport &report, const Say &say)
      : request_(request), build_(build), report_(report), say_(say) {}

  Status run() {
    const double start = now_seconds();
    TRY(check_private_roots());
    const fs::path cache = request_.cache;
    const Apt apt = TRY(Apt::open(cache / "apt", say_));
    SourceName name = request_.source;
    if (name.version.empty()) name.version = TRY(choose_version(apt, name.source));
    work_ = request_.work.empty() ? cache / cat(name.source, "_", folder_name(name.version)) : fs::absolute(request_.work).lexically_normal();
    report_.source = name.source;
    report_.version = name.version;
    report_.to = request_.to;
    report_.release = apt.release();
    report_.work = work_;
    const FetchedSource old_source = TRY(fetch_source(apt, name, work_ / "source" / folder_name(name.version), say_));
    FetchedSource new_source;
    std::vector<fs::path> dsc_files = {old_source.dsc};
    if (!request_.to.empty()) {
      new_source = TRY(fetch_source(apt, {name.source, request_.to}, work_ / "source" / folder_name(request_.to), say_));
      dsc_files.push_back(new_source.dsc);
    }
    auto setup = std::make_shared<Setup>(TRY(BuildRoot::open(apt, cache, work_ / "root", dsc_files, say_)));
    report_.root_reused = setup->root.was_there();
    TRY_WHILE(unpack_source(old_source, setup->root, say_), cat("unpacking the source of ", name.version));
    if (!request_.to.empty())
      TRY_WHILE(unpack_source(new_source, setup->root, say_), cat("unpacking the source of ", request_.to));
    const std::vector<std::string> packages = TRY(wanted_packages(old_source));
    setup->shipped = TRY(find_shipped(apt, setup->root, name, packages, work_ / "shipped", say_));
    report_.notes = setup->shipped.notes;
    for (const std::vector<std::string> &notes : {old_source.notes, new_source.notes}) report_.notes.insert(report_.notes.end(), notes.begin(), notes.end());
    TRY(make_trees(old_source, new_source));
    const std::vector<TreeChange> changes = TRY(compare_trees(build_.pre_dir, build_.post_dir));
    // Once a tree was configured for a fix, it is not known to be configured for any other.
    const fs::path configured = work_ / "configured-for-a-fix";
    if (!std::all_of(changes.begin(), changes.end(), [](const TreeChange &change) { return is_compiled_source(change.path); }))
      TRY(write_file_atomic(configured, {}));
    if (fs::exists(configured)) build_.second_build = BuildRequest::SecondBuild::whole_tree;
    TRY(choose_build_path(name, setup->shipped));
    TRY(choose_compiler(*setup));
    fill(setup);
    report_.setup_seconds = now_seconds() - start;
    return {};
  }

 private:
  Result<std::vector<std::string>> wanted_packages(const FetchedSource &source) const {
    for (const std::string &package : request_.packages)
      if (std::find(source.packages.begin(), source.packages.end(), package) == source.packages.end())
        return Error::refused(cat("the source makes no package ", package));
    return request_.packages.empty() ? source.packages : request_.packages;
  }

  Status make_trees(const FetchedSource &old_source, const FetchedSource &new_source) {
    build_.pre_dir = old_source.tree();
    build_.post_dir = work_ / "post";
    TRY(remove_folder(build_.post_dir));
    if (request_.to.empty()) return make_patched_tree(build_.pre_dir, request_.patches, build_.post_dir);
    TRY(copy_tree(new_source.tree(), build_.post_dir));
    // The version in the changelog goes into banners and build dates all over a package: it is no part of the fix.
    const WantedFile changelog = TRY(read_wanted(build_.pre_dir / "debian/changelog"));
    (void)TRY(put_wanted(build_.post_dir / "debian/changelog", changelog));  // whether they differed does not matter
    return {};
  }

  Status choose_build_path(const SourceName &name, const Shipped &shipped) {
    const std::string folder = cat(name.source, "-", upstream_version(name.version));
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
  Status choose_compiler(const Setup &setup) {
    Toolchain chosen{request_.gcc, {}};
    if (chosen.gcc == 0) chosen = choose_toolchain(setup.shipped.newest_seconds, major_version(setup.root.version_of("gcc")));
    if (!chosen.note.empty()) report_.notes.push_back(chosen.note);
    if (chosen.gcc == 0) return {};
    compiler_folder_ = TRY(provide_gcc(setup.root, chosen.gcc, say_));
    report_.compiler = cat("gcc-", chosen.gcc);
    return {};
  }

  void fill(const std::shared_ptr<Setup> &setup) {
    build_.build_path = report_.build_path;
    build_.build_command = request_.build_command.empty() ? kBuildCommand : request_.build_command;
    if (request_.build_command.empty()) build_.again_command = kAgainCommand;
    build_.prepare_command = kPrepareCommand;
    build_.work_dir = work_ / "work";
    const unsigned jobs = request_.jobs != 0 ? request_.jobs : std::max(1u, std::thread::hardware_concurrency());
    BuildPlace place;
    place.root = setup->root.folder();
    place.environment = setup->root.environment();
    for (std::string &entry : place.environment) {
      if (entry.starts_with("DEB_BUILD_OPTIONS=")) entry += cat(" parallel=", jobs);
      if (entry.starts_with("PATH=") && !compiler_folder_.empty()) entry.insert(5, compiler_folder_ + ":");
    }
    const fs::path shared = build_.work_dir, tree = place.root / fs::path(report_.build_path).relative_path();
    place.run = [setup, shared, tree](const ProcessRequest &process) { return setup->root.run(process, shared, {tree}); };
    build_.place = std::move(place);
    DebianReport &report = report_;
    build_.choose_images = [setup, &report](const std::vector<LinkedOutput> &outputs) { return choose(*setup, outputs, report); };
    report_.notes.push_back("the exact versions of the libraries and headers that the shipped binaries were compiled with are not recorded in them; "
                            "the root has the mirror's present ones");
  }

  const DebianRequest &request_;
  BuildRequest &build_;
  DebianReport &report_;
  const Say &say_;
  fs::path work_;
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
  return Preparation(request, build, report, say).run();
}

}  // namespace suture
