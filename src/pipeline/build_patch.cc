#include "pipeline/build_patch.h"

#include <algorithm>
#include <map>
#include <memory>
#include <unordered_set>

#include "base/cat.h"
#include "base/clock.h"
#include "base/demangle.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/refusals.h"
#include "build/dwarf_types.h"
#include "diff/boundary.h"
#include "diff/data_hazards.h"
#include "diff/local_code.h"
#include "diff/value_writer.h"
#include "elf/cold_file.h"
#include "elf/hot_file.h"
#include "elf/read_image.h"
#include "link/linker.h"
#include "pipeline/compared.h"
#include "pipeline/layout_evidence.h"
#include "pipeline/load_objects.h"
#include "pipeline/make_review.h"

namespace suture {

namespace {

static_assert(kSettledByBlocks == kKeptPerThread);

namespace fs = std::filesystem;

// Fewer functions than this share of the replaced image's code located means: not the build that was shipped.
constexpr double kLeastLocatedShare = 0.5;

constexpr std::string_view kOnlyKnowingCallers = "nothing but the image's own code calls it, and all that does is replaced, or compiled anew to the same";

// The objects that describe types. Of a link with intermediate code: gcc's machine code only points to the information in its
// intermediate code; clang's has its own.
Result<std::vector<ObjectPair>> with_type_information(const LinkedImage &linked) {
  bool bitcode = false;
  for (const ObjectPair &pair : linked.intermediate)
    bitcode |= !pair.post.empty() && is_bitcode(TRY(read_file(pair.post)));
  std::vector<ObjectPair> pairs = linked.objects;
  if (bitcode) return pairs;
  std::erase_if(pairs, [](const ObjectPair &pair) { return pair.made_in_link; });
  pairs.insert(pairs.end(), linked.intermediate.begin(), linked.intermediate.end());
  return pairs;
}

// The types of all objects of the image before the fix, by their places among the program's objects. Those of a link with
// intermediate code are not the program's.
Result<TypeGraph> graph_of_image(const LinkedImage &linked) {
  std::vector<GraphedObject> objects;
  for (const ObjectPair &pair : linked.objects) objects.push_back({pair.name, pair.from_tree ? pair.pre : fs::path()});
  TypeGraph graph = TRY(read_type_graph(objects));
  if (!linked.intermediate.empty()) graph.unread.push_back("what was optimised when it was linked");
  return graph;
}

// Each changed layout with what is known of its objects.
Status judge_layouts(const LinkedImage &linked, const DiffInput &input, const std::vector<LayoutChange> &layouts, ImageReport &report) {
  const auto is_aggregate = [](const LayoutChange &change) { return change.keyword == "struct" || change.keyword == "class" || change.keyword == "union"; };
  TypeGraph graph;
  std::optional<LayoutEvidence> evidence;
  if (std::any_of(layouts.begin(), layouts.end(), is_aggregate)) {
    graph = TRY(graph_of_image(linked));
    evidence.emplace(graph, input);
  }
  for (const LayoutChange &change : layouts) {
    std::string where = change.declared_at.empty() ? std::string() : cat("; declared at ", change.declared_at);
    if (!change.objects.empty()) where += cat("; seen in ", change.objects.front());
    if (change.objects.size() > 1) where += cat(" and ", change.objects.size() - 1, " more objects");
    if (change.keyword == "local") {
      const std::string reached = reached_local_code(input, change.function);
      if (reached.empty()) report.notes.push_back(cat(change.type, ": ", change.detail, "; objects that exist keep the code they were made with"));
      else report.hazards.push_back({"layout", change.type, cat(change.detail, "; objects that exist may lead to ", reached, where), {}});
      continue;
    }
    const LayoutJudgement judgement = is_aggregate(change) ? evidence->judge(change.type) : LayoutJudgement{};
    const std::string told = judgement.told.empty() ? judgement.told : cat("; ", judgement.told);
    report.hazards.push_back({"layout", change.type, cat(change.detail, told, where), std::string(judgement.safe ? kSettledByEvidence : "")});
  }
  return {};
}

// What the two builds' debugging information says: layouts of types that live objects may have, and ways of calling that
// code outside of the patch may rely on.
Status find_type_hazards(const LinkedImage &linked, const DiffInput &input, ImageReport &report) {
  std::vector<ChangedObject> changed;
  for (const ObjectPair &pair : TRY(with_type_information(linked)))
    if (pair.changed && pair.from_tree && !pair.pre.empty() && !pair.post.empty()) changed.push_back({pair.name, pair.pre, pair.post});
  TypeReport types = TRY(compare_types(changed));
  TRY(judge_layouts(linked, input, types.layouts, report));
  for (const SignatureChange &change : types.signatures) {
    const std::string reach = reached_from_outside(input, change.object, change.function);
    const bool safe = reach.empty();
    report.hazards.push_back({"signature", change.function, cat(change.detail, "; ", safe ? kOnlyKnowingCallers : reach), std::string(safe ? kSettledByEvidence : "")});
  }
  report.notes.insert(report.notes.end(), types.notes.begin(), types.notes.end());
  return {};
}

// What the two builds' own links say. They carry all debugging information and can be larger than their objects, so each
// is read and let go before the objects come.
struct LinkNames {
  std::unordered_set<std::string> defined;            // by the pre build's link; not needed, so not having it is no error
  std::map<std::string, std::string> import_versions;  // of each imported symbol that the fixed program wants
};

std::unordered_set<std::string> read_defined_names(const LinkedImage &linked) {
  std::unordered_set<std::string> names;
  const auto image = linked.pre.empty() ? Result<Image>(Error::failed("no link")) : read_elf_image_file(linked.pre);
  if (!image) return names;
  for (const ImageSymbol &symbol : image->symbols)
    if (symbol.defined) names.insert(symbol.name);
  return names;
}

std::map<std::string, std::string> read_import_versions(const LinkedImage &linked) {
  std::map<std::string, std::string> versions;
  const auto image = linked.post.empty() ? Result<Image>(Error::failed("no link")) : read_elf_outline_file(linked.post);
  if (!image) return versions;  // without it, the default version is meant
  for (const ImageSymbol &symbol : image->dynamic_symbols)
    if (!symbol.defined && !symbol.version.empty()) versions.emplace(symbol.name, symbol.version);
  return versions;
}

// What is known of an image beside its objects.
struct Located {
  Solution solution;
  LinkNames names;
  DiffInput input(Compared &builds, const LinkedObjects &objects, const Image &image) const {
    return {&builds.pre_code, &builds.post_code, &builds.twins, &builds.comparison, &solution, &image, &names.defined, &names.import_versions,
            &objects.changed};
  }
};

std::set<std::string> values_to_write(const BuildPatchRequest &request) {
  std::set<std::string> names;
  for (const auto &[name, choice] : request.data)
    if (choice == kSettledByWriting) names.insert(name);
  return names;
}

// Changed data for which the author has chosen.
void settle_data(const BuildPatchRequest &request, ImageReport &report) {
  for (Hazard &hazard : report.hazards)
    for (const auto &[name, choice] : request.data)
      if (hazard.kind == "data" && names_it(name, hazard.item)) hazard.settled = choice;
}

bool is_allowed(const Hazard &hazard, const std::set<std::string> &allowed) {
  const std::string kind = cat(hazard.kind, ":");
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string &given) {
    return names_it(given, hazard.item) || (given.starts_with(kind) && names_it(std::string_view(given).substr(kind.size()), hazard.item));
  });
}

// What else can be done, for the kinds that are refused.
std::string ways_out(const std::vector<Hazard> &hazards) {
  const auto any = [&](std::string_view kind) {
    return std::any_of(hazards.begin(), hazards.end(), [&](const Hazard &hazard) { return hazard.kind == kind && hazard.settled.empty(); });
  };
  std::string text;
  if (any("layout")) text += "leave the type as it is and attach the new fields to its objects as shadow data (suture/patch.h, suture_shadow_get); ";
  if (any("data")) text += "--data NAME=keep leaves the running value of a variable, --data NAME=write-if-old writes the new one where the running one is the old; ";
  if (any("constructor")) text += "do it in a hook (suture/patch.h) or in a replaced function; ";
  if (any("signature")) text += "keep the function as it is and add one with the new parameters; ";
  return text;
}

Status check_hazards(const std::vector<Hazard> &hazards, const BuildPatchRequest &request, const std::string &path) {
  std::string refused;
  std::string allow;
  for (const Hazard &hazard : hazards) {
    if (!hazard.settled.empty() || is_allowed(hazard, request.allowed)) continue;
    refused += cat("\n  ", hazard.kind, " ", hazard.item, ": ", hazard.detail);
    allow += cat(" --allow=", hazard.kind, ":", hazard.item);
  }
  if (refused.empty()) return {};
  return Error::refused(cat("the fix is not safe to apply to a running ", path, ":", refused))
      .with_next(cat(ways_out(hazards), "if you know that it is safe, allow each by name:", allow));
}

Status check_share(const MatchTotals &totals, const std::string &path) {
  const double share = totals.code_bytes == 0 ? 0 : static_cast<double>(totals.located_bytes) / static_cast<double>(totals.code_bytes);
  if (share >= kLeastLocatedShare) return {};
  return Error::refused(fmt::format("{} was not built from these objects: only {} of {} functions ({:.1f} % of the code) match", path, totals.located,
                                    totals.functions, 100 * share))
      .with_next("build with the source, compiler version and flags that the shipped binary was built with");
}

void add_to_package(const BuildPatchRequest &request, const ImageReport &report, const Image &image, Bytes hot, Bytes cold, Package &package) {
  PackageImage entry;
  entry.path = report.path;
  entry.build_id = image.id;
  entry.digest = image.digest;
  entry.base_bytes = image.bytes.size();
  entry.hot = std::move(hot);
  entry.cold = std::move(cold);
  for (const PatchedFunction &function : report.functions)
    entry.functions.push_back({function.name, function.old_size_bytes, function.new_size_bytes, function.reason});
  for (const Hazard &hazard : report.hazards)
    package.hazards.push_back({hazard.kind, hazard.item, hazard.detail, hazard.settled.empty() && is_allowed(hazard, request.allowed), hazard.settled});
  for (const Difference &difference : report.left)
    package.hazards.push_back({"left", difference.name, cat("the fix changes it and it stays as it is (", difference.reason, ")"), true, {}});
  package.images.push_back(std::move(entry));
}

// From the objects of an image's two links to the patch that goes into it, linked. Without value when the fix leaves the image as it is.
Result<std::optional<HotImage>> make_hot_image(const BuildPatchRequest &request, const LinkedImage &linked, const Image &image, ImageReport &report,
                                               BuildPatchReport &whole) {
  const Arch *arch = find_arch(image.arch);
  if (arch == nullptr) return Error::refused(cat("architecture ", name_of(image.arch), " is not supported yet"));
  LinkNames names{read_defined_names(linked), read_import_versions(linked)};
  LinkedObjects objects = TRY(load_objects(linked.objects, linked.output_path));
  whole.objects += objects.changed.size();
  whole.changed_objects += static_cast<size_t>(std::count(objects.changed.begin(), objects.changed.end(), true));

  auto builds = std::make_unique<Compared>(objects, *arch, request.left);
  report.left = builds->comparison.left();
  report.differences = builds->comparison.differences();
  for (const Difference &difference : report.differences) report.object_of_difference.push_back(builds->post.object(difference.object).path);
  if (report.differences.empty()) return std::optional<HotImage>();

  const Located located{locate_in_image(builds->pre_code, image, objects.from_tree), std::move(names)};
  report.match = located.solution.totals();
  TRY(check_share(report.match, report.path));
  DiffInput input = located.input(*builds, objects, image);
  report.hazards = find_data_hazards(input, report.notes);
  TRY(find_type_hazards(linked, input, report));
  settle_data(request, report);
  // What may not change and what cannot be bound are told together.
  Refusals refusals;
  TRY(refusals.keep(check_hazards(report.hazards, request, report.path)));
  Result<std::vector<ValueWrite>> writes = plan_value_writes(input, values_to_write(request));
  if (!writes) {
    TRY(refusals.keep(std::move(writes).error()));
    return refusals.all().error();
  }
  if (!writes->empty()) {
    add_value_writers(*writes, *arch, objects.post);
    builds = std::make_unique<Compared>(objects, *arch, request.left);
    input = located.input(*builds, objects, image);
  }
  Result<MadePatch> result = make_patch(input);
  if (!result) TRY(refusals.keep(std::move(result).error()));
  TRY(refusals.all());
  MadePatch made = std::move(result).value();
  report.functions = made.functions;
  report.not_in_image = made.not_in_image;
  if (made.object.redirects.empty() && made.object.author.hooks.empty()) return std::optional<HotImage>();

  HotImage hot = TRY(link_patch(made.object, image, request.id));
  hot.initial_values = TRY(initial_values(input, *writes));
  hot.sequence = request.sequence;
  hot.supersedes = request.supersedes_ids;
  for (const HotSegment &segment : hot.segments) report.code_and_data_bytes += segment.bytes.size();
  whole.review.images.push_back(review_image(report.path, linked, input, made));
  return std::optional<HotImage>(std::move(hot));
}

// One image: from the objects of its two links to its hot and cold binary in the package.
Status build_image(const BuildPatchRequest &request, const LinkedImage &linked, ImageReport &report, BuildPatchReport &whole) {
  const double started = seconds_now();
  Image image = TRY(read_elf_image_file(linked.shipped_path));
  image.path = report.path;  // the patch tells where hosts have it, not where it was read
  report.build_id = image.id;
  report.base_bytes = image.bytes.size();
  const std::optional<HotImage> hot = TRY(make_hot_image(request, linked, image, report, whole));
  give_back_free_memory();  // of all the objects
  if (!hot) return {};
  Bytes hot_file = TRY(write_hot_file(*hot));
  Bytes cold_file = TRY_WHILE(write_cold_file(image, *hot), "writing the coldpatch");
  report.hot_bytes = hot_file.size();
  report.cold_bytes = cold_file.size();
  report.seconds = seconds_now() - started;
  add_to_package(request, report, image, std::move(hot_file), std::move(cold_file), whole.package);
  return {};
}

// A package has one entry for the bytes of a file, however many names the file has; and one for a build-id, by which a
// process's image is known: files that were stripped from one link in two ways would both be applied to it.
Status check_images_differ(const std::vector<BuildRequest::Image> &images) {
  std::map<Digest, std::string> files;
  std::map<ImageId, std::string> links;
  const auto refusal = [](const std::string &one, const std::string &other, const char *why) {
    return Error::refused(cat(one, " and ", other, why)).with_next("name only one of them");
  };
  for (const BuildRequest::Image &named : images) {
    const auto image = read_elf_image_file(named.shipped_path);
    if (!image) continue;  // told where it is read to be patched
    const auto [file, is_new_file] = files.emplace(image->digest, named.shipped_path);
    if (!is_new_file) return refusal(named.shipped_path, file->second, " are the same file: their bytes are equal");
    if (image->id.kind == ImageId::Kind::none) continue;
    const auto [link, is_new_link] = links.emplace(image->id, named.shipped_path);
    if (!is_new_link)
      return refusal(named.shipped_path, link->second, " come from one link: their build-ids are equal");
  }
  return {};
}

Package describe_package(const BuildPatchRequest &request) {
  Package package;
  package.id = request.id;
  package.sequence = request.sequence;
  package.version = request.version;
  package.description = request.description;
  package.cves = request.cves;
  package.requires_ids = request.requires_ids;
  package.supersedes_ids = request.supersedes_ids;
  return package;
}

Error no_change(const BuildResult &built) {
  const std::string why = built.images.empty() ? "the fix changes no object that the build links"
                                               : "the fix changes no code of the images that were named, so there is nothing to patch";
  const std::string unread = built.unread.empty() ? std::string() : cat("; no compilation reads ", joined_first_few(built.unread));
  return Error::refused(cat("no change: ", why, unread));
}

}  // namespace

Status build_patch(const BuildPatchRequest &request, BuildPatchReport &report) {
  report.package = describe_package(request);
  TRY(check_images_differ(request.build.images));
  const BuildResult built = TRY(run_builds(request.build));
  give_back_free_memory();  // of all the records
  report.pre_seconds = built.pre_seconds;
  report.post_seconds = built.post_seconds;
  report.unread = built.unread;
  Refusals refusals;
  std::set<std::string> nothing_to_leave = request.left;
  std::map<std::string, std::string> nothing_to_set = request.data;
  for (const LinkedImage &linked : built.images) {
    ImageReport &image = report.images.emplace_back();
    std::error_code error;
    const fs::path canonical = fs::canonical(linked.shipped_path, error);
    image.path = error ? linked.shipped_path : canonical.string();
    if (!linked.installed_path.empty()) image.path = linked.installed_path;
    image.output_path = linked.output_path;
    if (request.build.progress) request.build.progress(cat("matching ", linked.shipped_path));
    Status made = build_image(request, linked, image, report);
    if (!made) made = std::move(made).error().during(cat("making the patch for ", linked.shipped_path));
    TRY(refusals.keep(std::move(made)));
    for (const Difference &difference : image.left) std::erase_if(nothing_to_leave, [&](const std::string &given) { return names_it(given, difference.name); });
    for (const Hazard &hazard : image.hazards)
      if (hazard.kind == "data") std::erase_if(nothing_to_set, [&](const auto &given) { return names_it(given.first, hazard.item); });
    if (image.hot_bytes == 0) report.unaffected.push_back(image.path);
  }
  TRY(refusals.all());
  if (!nothing_to_leave.empty())
    return Error::refused(cat("the fix changes no function named ", *nothing_to_leave.begin(), " that could be left")).with_next("--explain names what it changes");
  if (!nothing_to_set.empty())
    return Error::refused(cat("the fix changes the initial value of no variable named ", nothing_to_set.begin()->first)).with_next("--explain names what it changes");
  report.review.files = review_sources(request.build.pre_dir, request.build.post_dir, built.source_changes);
  report.package.review = write_review(report.review);
  report.no_change = report.package.images.empty();
  return report.no_change ? no_change(built) : Status();
}

}  // namespace suture
