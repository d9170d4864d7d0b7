// `suture build`: from the source before and after a fix, and the binaries as shipped, to one package.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "base/file.h"
#include "base/memory.h"
#include "build/patch_tree.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "debian/toolchain.h"
#include "package/format.h"
#include "pipeline/build_patch.h"
#include "pipeline/debian_build.h"

namespace suture::cli {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Options {
  std::string pre, post, source;
  std::string debian, to, compiler, buildinfo;
  std::vector<std::string> packages, without;
  std::vector<std::string> patches;
  std::string command;
  std::vector<std::string> images;
  std::string output;
  std::string work;
  std::string build_path;
  std::string id, version, description;
  uint64_t sequence = 1;
  std::vector<std::string> cves, requires_ids, supersedes_ids, allow, leave, data;
  unsigned jobs = 0;
  bool explain = false;
  bool plan = false;
  bool dry_run = false;
  bool no_anchoring = false;
};

json to_json(const ImageReport &image) {
  json out = {{"path", image.path}, {"build_output", image.output_path}, {"build_id", image.build_id.text()}, {"base_bytes", image.base_bytes},
              {"hot_bytes", image.hot_bytes}, {"cold_bytes", image.cold_bytes}, {"code_and_data_bytes", image.code_and_data_bytes},
              {"seconds", image.seconds}, {"not_in_image", image.not_in_image},
              {"notes", image.notes}};
  out["match"] = {{"functions", image.match.functions}, {"located", image.match.located}, {"absent", image.match.absent},
                  {"ambiguous", image.match.ambiguous}, {"code_bytes", image.match.code_bytes}, {"located_bytes", image.match.located_bytes}};
  out["functions"] = json::array();
  for (const PatchedFunction &f : image.functions)
    out["functions"].push_back({{"name", f.name}, {"old_size", f.old_size_bytes}, {"new_size", f.new_size_bytes}, {"reason", f.reason}, {"new", f.added}});
  out["hazards"] = json::array();
  for (const Hazard &h : image.hazards) out["hazards"].push_back({{"kind", h.kind}, {"item", h.item}, {"detail", h.detail}, {"settled", h.settled}});
  out["left"] = json::array();
  for (const Difference &d : image.left) out["left"].push_back({{"name", d.name}, {"reason", d.reason}});
  out["differences"] = json::array();
  for (size_t i = 0; i < image.differences.size(); ++i) {
    const Difference &d = image.differences[i];
    out["differences"].push_back({{"object", image.object_of_difference[i]}, {"name", d.name}, {"change", name_of(d.change)}, {"reason", d.reason}});
  }
  return out;
}

json to_json(const BuildPatchReport &report, const Options &options) {
  json out = {{"id", report.package.id}, {"output", options.dry_run ? "" : options.output}, {"objects", report.objects},
              {"changed_objects", report.changed_objects}, {"pre_seconds", report.pre_seconds}, {"post_seconds", report.post_seconds},
              {"unaffected", report.unaffected}, {"unread", report.unread}, {"images", json::array()}};
  for (const ImageReport &image : report.images) out["images"].push_back(to_json(image));
  return out;
}

json to_json(const DebianReport &debian) {
  json versions = json::array();
  for (const VersionDifference &v : debian.versions) versions.push_back({{"package", v.package}, {"shipped_with", v.shipped_with}, {"here", v.here}});
  return {{"source", debian.source}, {"version", debian.version}, {"to", debian.to}, {"release", debian.release},
          {"build_path", debian.build_path}, {"build_path_embedded", debian.build_path_embedded}, {"compiler", debian.compiler}, {"work", debian.work.string()},
          {"root_reused", debian.root_reused}, {"setup_seconds", debian.setup_seconds}, {"shipped", debian.shipped},
          {"changed_files", debian.changed_files}, {"whole_tree", debian.whole_tree},
          {"candidates", debian.candidates}, {"unshipped", debian.unshipped}, {"unmatched", debian.unmatched}, {"versions", versions}, {"notes", debian.notes}};
}

void explain(const DebianReport &debian) {
  print(cat(debian.source, " ", debian.version, debian.to.empty() ? "" : cat(" to ", debian.to), ", built at ", debian.build_path,
            debian.build_path_embedded ? " (as the shipped binary says)" : "", " in a root of ", debian.release, " kept in ", debian.work.string(), "\n"));
  for (const std::string &path : debian.unshipped) print(cat("  changed, but shipped by no package: ", printable(path), "\n"));
  for (const std::string &path : debian.unmatched) print(cat("  shipped, but not seen being linked: ", printable(path), "\n"));
  for (const VersionDifference &v : debian.versions)
    print(cat("  built with ", printable(v.package), " ", printable(v.shipped_with), "; here ", v.here.empty() ? "not installed" : printable(v.here), "\n"));
  for (const std::string &note : debian.notes) print(cat("  note: ", printable(note), "\n"));
}

// What would be built, before anything is.
int show_plan(const DebianReport &debian, const Context &context) {
  if (context.json()) {
    print_json({{"debian", to_json(debian)}});
    return kDone;
  }
  explain(debian);
  print(cat("  compiler: ", debian.compiler.empty() ? "the release's default" : debian.compiler, "\n"));
  print(cat("  the fix changes", debian.whole_tree ? " how the tree is built, so that all of it is built twice:\n" : ":\n"));
  for (const std::string &path : debian.changed_files) print(cat("    ", printable(path), "\n"));
  print("  shipped files that it may reach:\n");
  for (const std::string &path : debian.candidates) print(cat("    ", printable(path), "\n"));
  return kDone;
}

void explain(const BuildPatchReport &report) {
  for (const ImageReport &image : report.images) {
    print(cat(image.path, " (build-id ", image.build_id.text(), ")\n"));
    print(fmt::format("  matched {} of {} functions, {:.1f} % of the code; {} not in the image, {} ambiguous\n", image.match.located, image.match.functions,
                      image.match.code_bytes ? 100.0 * static_cast<double>(image.match.located_bytes) / static_cast<double>(image.match.code_bytes) : 0,
                      image.match.absent, image.match.ambiguous));
    Table table({"CHANGE", "OBJECT", "NAME", "REASON"});
    for (size_t i = 0; i < image.differences.size(); ++i) {
      const Difference &d = image.differences[i];
      table.add({std::string(name_of(d.change)), printable(image.object_of_difference[i]), readable(d.name), readable(d.reason)});
    }
    if (!table.empty()) print(table.text(2));
    for (const std::string &name : image.not_in_image) print(cat("  ", readable(name), " changes, but this image does not contain it\n"));
    for (const std::string &note : image.notes) print(cat("  note: ", readable(note), "\n"));
  }
}

void summarize(const BuildPatchReport &report, const Options &options) {
  for (const ImageReport &image : report.images) {
    if (image.hot_bytes == 0) continue;
    Table table({"FUNCTION", "OLD", "NEW", "WHY"});
    for (const PatchedFunction &f : image.functions)
      table.add({readable(f.name), f.added ? "-" : cat(f.old_size_bytes), cat(f.new_size_bytes), readable(f.reason)});
    print(cat(image.path, "\n", table.text(2)));
    print(fmt::format("  hotpatch {} ({} of code and data), base {}; matched {} of {} functions\n", human_size(image.hot_bytes),
                      human_size(image.code_and_data_bytes), human_size(image.base_bytes), image.match.located, image.match.functions));
    for (const Difference &d : image.left) print(cat("  left as it is: ", readable(d.name), " (", readable(d.reason), ")\n"));
  }
  for (const std::string &path : report.unaffected) print(cat(path, ": not affected by this fix\n"));
  if (!report.unread.empty()) print(cat("no compilation reads ", printable(joined_first_few(report.unread)), ": what the fix changes there is not in the patch\n"));
  if (!options.dry_run) print(cat("wrote ", options.output, " (id ", report.package.id, ", unsigned)\n"));
}

Result<BuildRequest::Image> parse_image(const std::string &text) {
  BuildRequest::Image image;
  const size_t equals = text.find('=');
  image.shipped_path = text.substr(0, equals);
  if (equals != std::string::npos) image.output_path = text.substr(equals + 1);
  std::error_code error;
  if (!fs::is_regular_file(image.shipped_path, error))
    return Error::usage(cat("--image ", text, ": ", image.shipped_path, " is not a file")).with_next("name the binary as it is shipped, e.g. /usr/sbin/nginx=objs/nginx");
  return image;
}

Result<std::pair<std::string, std::string>> parse_data(const std::string &text) {
  const size_t equals = text.rfind('=');
  std::pair<std::string, std::string> out{text.substr(0, equals), equals == std::string::npos ? std::string() : text.substr(equals + 1)};
  if (out.first.empty() || (out.second != kSettledByKeeping && out.second != kSettledByWriting))
    return Error::usage(cat("--data ", text, " is neither NAME=", kSettledByKeeping, " nor NAME=", kSettledByWriting));
  return out;
}

// "redis-CVE-1.hotpatch" names the patch "redis-CVE-1" unless --id does.
std::string id_from(const std::string &output) {
  std::string id = fs::path(output).filename().string();
  if (id.ends_with(".hotpatch")) id.resize(id.size() - 9);
  return id;
}

Result<BuildPatchRequest> make_request(const Options &options, const fs::path &work) {
  BuildPatchRequest request;
  request.build.build_command = options.command;
  for (const std::string &text : options.images)
    if (options.debian.empty()) request.build.images.push_back(TRY(parse_image(text)));
  request.build.work_dir = work;
  if (!options.build_path.empty()) request.build.build_path = options.build_path;
  request.build.jobs = options.jobs;
  if (options.no_anchoring) request.build.anchoring = LineAnchoring::off;
  request.id = options.id.empty() ? id_from(options.output) : options.id;
  request.sequence = options.sequence;
  request.version = options.version;
  request.description = options.description;
  request.cves = options.cves;
  request.requires_ids = options.requires_ids;
  request.supersedes_ids = options.supersedes_ids;
  request.allowed = {options.allow.begin(), options.allow.end()};
  for (const std::string &text : options.data) request.data.insert(TRY(parse_data(text)));
  request.left = {options.leave.begin(), options.leave.end()};
  return request;
}

// What fix of what source: exactly one of the three forms.
Status check_form(const Options &options) {
  const bool trees = !options.pre.empty() && !options.post.empty();
  const bool debian = !options.debian.empty() && (!options.patches.empty() || !options.to.empty());
  const bool patches = !options.source.empty() && !options.patches.empty();
  if (trees + patches + debian != 1 || (!options.to.empty() && !debian))
    return Error::usage("give either --pre DIR and --post DIR, or --source DIR and --patch FILE, or --debian SRC and --patch FILE or --to VERSION");
  if (options.output.empty() && !options.plan) return Error::usage("-o PKG is needed: the package to write");
  if (!debian && (options.command.empty() || options.images.empty())) return Error::usage("--build CMD and --image FILE are needed without --debian");
  if (options.to.empty() && !options.without.empty()) return Error::usage("--without belongs to --to: it leaves out patches of that version");
  if (!debian && !options.buildinfo.empty()) return Error::usage("--buildinfo belongs to --debian");
  if (!debian && options.plan) return Error::usage("--plan belongs to --debian");
  if (!debian && !options.packages.empty()) return Error::usage("--package belongs to --debian");
  if (!debian && !options.compiler.empty()) return Error::usage("--compiler belongs to --debian: without it, the build command says which compiler to take");
  if (debian && !options.build_path.empty()) return Error::usage("--debian finds the build path itself: give no --build-path");
  return {};
}

Status prepare_debian(const Options &options, BuildRequest &build, DebianReport &report) {
  DebianRequest request;
  request.source = TRY(parse_source_name(options.debian));
  if (!options.to.empty() && !is_version(options.to)) return Error::usage(cat("--to ", options.to, " is no version of a Debian package"));
  request.to = options.to;
  for (const std::string &patch : options.patches) request.patches.emplace_back(patch);
  request.packages = options.packages;
  request.images = options.images;
  request.without = options.without;
  request.buildinfo = options.buildinfo;
  if (!options.compiler.empty()) request.gcc = TRY(parse_compiler(options.compiler));
  request.cache = debian_cache_folder();
  request.work = options.work;
  request.build_command = options.command;
  request.jobs = options.jobs;
  return prepare_debian_build(request, build, report, build.progress);
}

Result<int> run(const Options &options, const Context &context) {
  TRY(check_form(options));
  give_back_large_blocks();
  const bool debian = !options.debian.empty();
  TempDir temporary = TRY(TempDir::create("suture-build"));
  const fs::path work = options.work.empty() ? temporary.path() / "work" : fs::path(options.work);
  BuildPatchRequest request = TRY(make_request(options, work));
  Progress progress;
  request.build.progress = [&](const std::string &text) { progress.show(text); };
  DebianReport plan;
  if (debian) {
    request.build.jobs = 0;  // goes by DEB_BUILD_OPTIONS
    TRY(prepare_debian(options, request.build, plan));
    progress.clear();
    if (options.plan) return show_plan(plan, context);
  } else if (!options.pre.empty()) {
    request.build.pre_dir = options.pre;
    request.build.post_dir = options.post;
  } else {
    request.build.pre_dir = options.source;
    request.build.post_dir = temporary.path() / "post";
    TRY(make_patched_tree(options.source, {options.patches.begin(), options.patches.end()}, request.build.post_dir));
  }
  BuildPatchReport report;
  auto built = build_patch(request, report);
  progress.clear();
  if (options.explain && !context.json()) {
    if (debian) explain(plan);
    explain(report);
  }
  if (!built) {
    if (options.work.empty() && built.error().verdict() == Verdict::failed) std::move(temporary).keep();  // its log tells why
    return debian ? with_advice_on_space(std::move(built).error(), plan.work) : std::move(built).error();
  }
  const Bytes package = TRY(encode_package(report.package));
  if (!options.dry_run) TRY(write_file_atomic(options.output, package));
  if (context.json()) {
    json out = to_json(report, options);
    if (debian) out["debian"] = to_json(plan);
    print_json(out);
  } else {
    summarize(report, options);
  }
  return kDone;
}

}  // namespace

void add_build(CLI::App &app, Context &context) {
  CLI::App *command = app.add_subcommand("build", "make a patch package from a source fix and the shipped binaries");
  auto options = std::make_shared<Options>();
  command->add_option("--pre", options->pre, "source tree before the fix, as the image was built from")->type_name("DIR");
  command->add_option("--post", options->post, "source tree after the fix")->type_name("DIR");
  command->add_option("--source", options->source, "source tree before the fix; the patches are applied to a copy")->type_name("DIR");
  command->add_option("--debian", options->debian, "Debian source package (and version) that the shipped binaries were built from")->type_name("SRC[=VERSION]");
  command->add_option("--to", options->to, "version of the Debian source package that has the fix")->type_name("VERSION");
  command->add_option("--without", options->without, "with --to: leave out this patch of that version's series (may be repeated)")->type_name("NAME")->allow_extra_args(false);
  command->add_option("--package", options->packages, "with --debian: patch only this binary package (may be repeated)")->type_name("NAME")->allow_extra_args(false);
  command->add_option("--compiler", options->compiler, "with --debian: the compiler to build with, e.g. gcc-11 (default: by the date of the shipped files)")->type_name("NAME");
  command->add_option("--buildinfo", options->buildinfo, "with --debian: record of the shipped binaries' build, to compare versions with")->type_name("FILE");
  command->add_option("--patch", options->patches, "patch file with the fix (may be repeated); with --debian also VERSION/NAME, of that version's series")->type_name("FILE")->allow_extra_args(false);
  command->add_option("--build", options->command, "shell command that builds the tree, run at its root")->type_name("CMD");
  command->add_option("--image", options->images, "binary as shipped, and where the build makes it (may be repeated); with --debian, the installed path of one to patch instead of all")
      ->type_name("FILE[=BUILD_OUTPUT]")->allow_extra_args(false);
  command->add_option("-o,--output", options->output, "package to write")->type_name("PKG");
  command->add_option("--id", options->id, "id of the patch (default: the package's file name)");
  command->add_option("--sequence", options->sequence, "number that grows with each package of one id");
  command->add_option("--patch-version", options->version, "version to show to people");
  command->add_option("--description", options->description, "one line on what the patch does");
  command->add_option("--cve", options->cves, "CVE that the patch fixes (may be repeated)")->allow_extra_args(false);
  command->add_option("--requires", options->requires_ids, "id of a patch that must be applied before (may be repeated)")->allow_extra_args(false);
  command->add_option("--supersedes", options->supersedes_ids, "id of a patch that this one replaces (may be repeated)")->allow_extra_args(false);
  command->add_option("--allow", options->allow, "allow a hazard by name, KIND:ITEM (may be repeated)")->type_name("HAZARD")->allow_extra_args(false);
  command->add_option("--data", options->data, "what becomes of a variable whose initial value changes: NAME=keep or NAME=write-if-old (may be repeated)")
      ->type_name("NAME=CHOICE")->allow_extra_args(false);
  command->add_option("--leave", options->leave, "leave a function as it is although the fix changes it (may be repeated)")->type_name("FUNCTION")->allow_extra_args(false);
  command->add_option("--work", options->work, "keep the builds in this folder: a second fix to the same source reuses them")->type_name("DIR");
  command->add_option("--build-path", options->build_path, "build the tree at this path (for programs that embed it)")->type_name("DIR");
  command->add_option("-j,--jobs", options->jobs, "jobs for make (default: as the build command says)");
  command->add_flag("--explain", options->explain, "print every difference between the two builds and its reason");
  command->add_flag("--plan", options->plan, "with --debian: fetch everything, say what would be built and why, and end");
  command->add_flag("--dry-run", options->dry_run, "do all but write the package");
  command->add_flag("--no-line-anchoring", options->no_anchoring, "let __LINE__ move with the fix");
  add_json_option(*command, context);
  on_run(*command, context, [options, &context] { return run(*options, context); });
}

}  // namespace suture::cli
