#include "build/driver.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/cat.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "build/author_header.h"
#include "build/build_environment.h"
#include "build/build_inputs.h"
#include "build/dependents.h"
#include "build/image_links.h"
#include "build/link_view.h"
#include "build/linked_outputs.h"
#include "build/object_store.h"
#include "build/passed_over.h"
#include "build/phase_runner.h"
#include "build/repeat_steps.h"
#include "build/shim_config.h"
#include "build/shim_dir.h"
#include "build/stale_copies.h"
#include "build/subprocess.h"
#include "build/unread_changes.h"
#include "build/unused_outputs.h"

namespace suture {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char *kMarker = ".suture-work";
constexpr const char *kPreparePhase = "prepare";
constexpr const char *kFurtherPhase = "pre-further";
constexpr uint64_t kMaxTouchedBytes = 64u << 20;
constexpr uint64_t kMaxManifestBytes = 256u << 20;

// One run of run_builds.
class Build {
 public:
  explicit Build(const BuildRequest &request)
      : request_(request),
        work_(fs::absolute(request.work_dir).lexically_normal()),
        seen_(request.build_path ? fs::absolute(*request.build_path).lexically_normal() : work_ / "src"),
        tree_(request.place ? request.place->root / seen_.relative_path() : seen_),
        runner_(request, work_, seen_) {}

  Result<BuildResult> run() {
    TRY(open_work_folder());
    result_.tree = tree_;
    result_.source_changes = TRY(compare_trees(request_.pre_dir, request_.post_dir));
    if (result_.source_changes.empty())
      return Error::refused("the two source trees are equal: there is no fix to build");
    TRY_WHILE(make_shims(), "preparing the compiler wrapper");
    TRY_WHILE(build_pre(), "building the source before the fix");
    TRY(spare_what_is_not_wanted());
    const LinkView pre(TRY(read_records(work_ / "records/pre")), seen_, work_ / "store");
    const OutputIndex pre_index = TRY(read_index(work_ / "pre-outputs.json"));
    TRY_WHILE(build_post(), "building the source after the fix");
    give_back_free_memory();  // of the records
    Records records = TRY(all_records());
    result_.unread = TRY(unread_changes(result_.source_changes, records, request_.pre_dir, request_.post_dir));
    const LinkView post(std::move(records), seen_, work_ / "store");
    const OutputIndex post_index = TRY(index_outputs(tree_));
    const std::vector<BuildRequest::Image> images = TRY(images_to_patch(pre, post));
    for (const BuildRequest::Image &image : images)
      result_.images.push_back(TRY(link_image(image, {pre, pre_index}, {post, post_index}, work_ / "store")));
    return std::move(result_);
  }

 private:
  void say(const std::string &text) const {
    if (request_.progress) request_.progress(text);
  }

  // The folder is ours alone from here: a second build of the same work folder waits for no one and is refused.
  Status open_work_folder() {
    std::error_code error;
    fs::create_directories(work_, error);
    if (error) return Error::failed(cat("cannot create ", work_.string(), ": ", error.message()));
    if (!fs::exists(work_ / kMarker) && !fs::is_empty(work_, error))
      return Error::refused(cat(work_.string(), " is not empty and not a work folder of suture"))
          .with_next("choose another --work");
    lock_ = Fd(::open((work_ / kMarker).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!lock_) return Error::from_errno(errno, cat("cannot create ", (work_ / kMarker).string()));
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
      return Error::refused(cat("another suture build is using ", work_.string()));
    for (const char *folder : kWrapperFolders) fs::create_directories(work_ / folder, error);
    fs::create_directories(work_ / "log", error);
    return {};
  }

  Status make_shims() {
    const fs::path program = TRY(find_shim_program());
    program_digest_ = to_hex(TRY(sha256_of_file(program)));
    set_environment();
    runner_.config.state = work_;
    runner_.config.tree = seen_;
    runner_.config.search_path = get_variable(runner_.environment, "PATH").substr((work_ / "shim").string().size() + 1);
    TRY(make_shim_folder(work_ / "shim", program, runner_.config.search_path, request_.place ? request_.place->root : "/"));
    return write_author_header(runner_.config.include());
  }

  // Equal: from equal trees the same build would come out.
  std::string setting_stamp() const {
    std::string text = cat("suture build setting 1\n", request_.prepare_command, "\n", request_.build_command, "\n",
                           seen_.string(), "\n", program_digest_, "\n");
    // Only what we set ourselves: a TERM or a SSH_CLIENT of another session makes no other build.
    for (const auto &[name, value] : request_.environment) text += cat(name, "=", value, "\n");
    for (const char *name : {"PATH", "SOURCE_DATE_EPOCH", "DEB_BUILD_OPTIONS", "CFLAGS", "CXXFLAGS", "CPPFLAGS",
                             "LDFLAGS", "CC", "CXX", "DEB_BUILD_PROFILES"})
      text += cat(name, "=", get_variable(runner_.environment, name), "\n");
    return to_hex(sha256(as_bytes(text)));
  }

  Status build_pre() {
    const TreeManifest wanted = TRY(read_manifest(request_.pre_dir));
    const std::optional<TreeManifest> built = built_manifest();
    if (built && *built == wanted) {
      result_.pre_reused = true;
      say("the work folder holds the build before the fix");
      return {};
    }
    if (!built || !TRY(follow_to_pre(*built, wanted))) return build_pre_anew();
    return finish_pre();
  }

  Status build_pre_anew() {
    result_.pre_reused = false;
    runner_.config.unused_outputs.clear();
    Result<double> seconds = build_copy();
    if (!seconds && place_gives_more(seconds.error())) seconds = build_copy();
    if (!seconds) return std::move(seconds).error();
    result_.pre_seconds += *seconds;
    TRY(build_further());
    return finish_pre();
  }

  Result<double> build_copy() {
    TRY(remove_old_build());
    TRY(copy_tree(request_.pre_dir, tree_));
    TRY(write_file_quick(tree_marker(), as_bytes(work_.string())));
    const double prepared = TRY(prepare_tree());
    return prepared + TRY(run_command("pre"));
  }

  // Whether there is anything to try again with.
  bool place_gives_more(const Error &why) {
    if (why.verdict() != Verdict::failed || !request_.place || !request_.place->give_more) return false;
    Result<std::vector<std::string>> environment = request_.place->give_more();
    if (!environment && request_.note) request_.note(environment.error().what());
    if (!environment || environment->empty()) return false;
    request_.place->environment = std::move(*environment);
    set_environment();
    return true;
  }

  void set_environment() {
    runner_.environment = build_environment(request_, work_ / "shim");
    setting_ = setting_stamp();
  }

  Status finish_pre() {
    const OutputIndex index = TRY(index_outputs(tree_));
    TRY(write_index(work_ / "pre-outputs.json", index));
    const Json state = {{"setting", setting_}, {"further", further_}, {"files", TRY(read_manifest(request_.pre_dir))}};
    return write_file_quick(manifest_file(), as_bytes(state.dump(1, ' ', false, Json::error_handler_t::replace)));
  }

  // Refuses images that the build does not make, before a second build that would be for nothing.
  Status spare_what_is_not_wanted() {
    if (TRY(spare_unused())) return {};
    say("an earlier build left out what is wanted now; building anew");
    TRY_WHILE(build_pre_anew(), "building the source before the fix");
    (void)TRY(spare_unused());  // nothing is left out of a build of everything
    return {};
  }

  // Whether the tree holds a wanted output as some build long ago left it.
  Result<bool> was_spared_before(const std::optional<std::set<std::string>> &wanted) const {
    const std::vector<std::string> outputs = TRY(all_records()).spared;
    return std::any_of(outputs.begin(), outputs.end(), [&](const std::string &output) { return !wanted || wanted->contains(output); });
  }

  // Notes what builds from now on need not link. False: an earlier one did not link what is wanted now.
  Result<bool> spare_unused() {
    const LinkView pre(TRY(read_records(work_ / "records/pre")), seen_, work_ / "store");
    const OutputIndex index = TRY(read_index(work_ / "pre-outputs.json"));
    const std::optional<std::set<std::string>> wanted = TRY(outputs_of_images(request_, pre, index, seen_, work_ / "store"));
    if (TRY(was_spared_before(wanted))) return false;
    if (wanted && keeps_access_times(tree_)) runner_.config.unused_outputs = unused_outputs(pre.records(), *wanted, {seen_, tree_});
    return true;
  }

  fs::path manifest_file() const { return work_ / "pre-manifest.json"; }
  fs::path post_stamp_file() const { return work_ / "post.stamp"; }

  // What the work folder's pre build was made from; none when it was made in another way or was not finished.
  std::optional<TreeManifest> built_manifest() {
    const Result<std::string> text = read_text(manifest_file(), kMaxManifestBytes);
    if (!text || !fs::exists(tree_)) return std::nullopt;
    const Json json = Json::parse(*text, nullptr, false);
    if (!json.is_object() || json.value("setting", "") != setting_ || !json.contains("files")) return std::nullopt;
    further_ = json.contains("further") && json["further"] == true;
    TreeManifest manifest;
    for (const auto &[path, content] : json["files"].items())
      if (content.is_string()) manifest[path] = content.get<std::string>();
    return manifest;
  }

  // A tree near to the one that was built (the same package before another fix) is reached as post is: only what
  // differs is touched. False: the build did not follow, and has to begin anew. That what it gives belongs to the
  // shipped image is proved later, by matching.
  Result<bool> follow_to_pre(const TreeManifest &built, const TreeManifest &wanted) {
    std::set<std::string> paths = TRY(touched_before());
    runner_.config.added_names.clear();
    for (const TreeChange &change : compare_manifests(built, wanted)) {
      paths.insert(change.path);
      if (change.kind == TreeChangeKind::added)
        runner_.config.added_names.push_back(fs::path(change.path).filename().string());
    }
    std::error_code error;
    for (const fs::path &path : {manifest_file(), post_stamp_file()}) {
      fs::remove(path, error);
      if (error) return Error::failed(cat("cannot remove ", path.string(), ": ", error.message()));
    }
    stale_copies_.clear();
    (void)spare_unused();  // what is wrong is told later, of the new build
    const MovedTree moved{seen_, tree_, request_.pre_dir, TRY(bring_tree_to(request_.pre_dir, paths))};
    if (TRY(steers_build(moved))) {
      say("how the package is built changed; building anew");
      return false;
    }
    std::vector<std::string> phases;
    const Result<Built> built_now = build_in_place("following", moved, phases);
    if (!built_now || TRY(was_passed_over(*built_now, phases, moved)) || TRY(used_what_was_spared(phases)) || TRY(changed_by_itself(phases, moved))) {
      say("the build did not follow the changed source; building anew");
      return false;
    }
    result_.pre_seconds = built_now->seconds;
    TRY(fold_records_into_pre());
    fs::remove(work_ / "touched.json", error);
    return true;
  }

  // What earlier builds compiled and linked is what the tree holds wherever the last one did not do it again. How it was first built
  // stays as it was noted then.
  Status fold_records_into_pre() const {
    std::error_code error;
    std::vector<fs::path> folders;
    for (const fs::directory_entry &folder : fs::directory_iterator(work_ / "records", error))
      if (folder.path().filename() != "pre" && folder.path().filename() != kPreparePhase) folders.push_back(folder.path());
    for (const fs::path &folder : folders) {
      for (const fs::directory_entry &record : fs::directory_iterator(folder, error)) {
        const std::string name = record.path().string();
        const bool of_step = name.ends_with(kStepRecordEnd) || name.ends_with(kProbeMarkEnd);
        if (of_step && folder.filename() != kFurtherPhase) continue;
        fs::rename(record.path(), work_ / "records/pre" / record.path().filename(), error);
        if (error) return Error::failed(cat("cannot move ", record.path().string(), ": ", error.message()));
      }
      fs::remove_all(folder, error);
    }
    if (error) return Error::failed(cat("cannot fold the records of builds: ", error.message()));
    return {};
  }

  // A build path may be anywhere: what lies there is removed only when this work folder put it there.
  fs::path tree_marker() const { return work_ / "tree-is-ours"; }

  Status remove_old_build() {
    further_ = false;
    std::error_code error;
    const bool ours = !request_.build_path || fs::exists(tree_marker());
    if (fs::exists(tree_) && !ours)
      return Error::refused(cat("the build path ", tree_.string(), " exists already"))
          .with_next("remove it or choose another --build-path");
    for (const fs::path &path :
         {manifest_file(), post_stamp_file(), work_ / "touched.json", work_ / "records", tree_}) {
      fs::remove_all(path, error);
      if (error) return Error::failed(cat("cannot remove ", path.string(), ": ", error.message()));
    }
    return {};
  }

  Status build_post() {
    stale_copies_.clear();
    std::set<std::string> touched = TRY(bring_tree_to_post());
    const std::optional<std::vector<std::string>> done = finished_post();
    result_.pre_compiles = TRY(read_records(work_ / "records/pre")).compiles.size();
    if (touched.empty() && done) {
      say("the work folder holds the build after the fix");
      post_phases_ = *done;
      return {};
    }
    std::error_code error;
    fs::remove(post_stamp_file(), error);
    if (error) return Error::failed(cat("cannot remove ", post_stamp_file().string(), ": ", error.message()));
    note_added_names();
    MovedTree moved{seen_, tree_, request_.post_dir, std::move(touched)};
    std::vector<std::string> phases;
    Result<Built> built = build_second(moved, phases);
    if (!built && !result_.line_maps.empty()) {
      // Code that makes names from __LINE__ does not take two lines of one number, and a generator may read the
      // sources.
      say("the build failed; trying without line anchoring");
      result_.line_maps.clear();
      result_.anchoring_given_up = true;
      moved.moved.merge(TRY(bring_tree_to_post()));
      built = build_second(moved, phases);
    }
    if (!built && request_.second_build == BuildRequest::SecondBuild::in_place) {
      say("the second build in one tree failed; building the whole tree again");
      built = build_whole_tree(phases);
    }
    if (!built) return std::move(built).error();
    result_.post_seconds = built->seconds;
    if (TRY(was_passed_over(*built, phases, moved))) {
      say("the build command did not compile what changed (it keeps stamps); building the whole tree again");
      result_.post_seconds += TRY(rebuild_whole_tree(phases));
    }
    if (TRY(used_what_was_spared(phases))) {
      say("the build uses a program that was not linked again; building the whole tree again");
      result_.post_seconds += TRY(rebuild_whole_tree(phases));
    }
    if (!whole_ && TRY(changed_by_itself(phases, moved))) {
      say("what the fix does not touch came out otherwise (a count of builds does); building the whole tree again");
      result_.post_seconds += TRY(rebuild_whole_tree(phases));
    }
    const Records records = TRY(records_of(phases));
    for (const CompileRecord &compile : records.compiles)
      ++(compile.from_cache ? result_.post_cached : result_.post_compiles);
    result_.post_links = records.links.size();
    result_.post_links_spared = records.spared.size();
    return finish_post(std::move(phases));
  }

  Result<bool> used_what_was_spared(const std::vector<std::string> &phases) const {
    return suture::used_what_was_spared(TRY(records_of(phases)), {seen_, tree_});
  }

  Result<bool> changed_by_itself(const std::vector<std::string> &phases, const MovedTree &moved) const {
    return suture::changed_by_itself(work_ / "records/pre", TRY(records_of(phases)), moved);
  }

  Status finish_post(std::vector<std::string> phases) {
    const Json stamp = {{"setting", setting_}, {"phases", phases}};
    post_phases_ = std::move(phases);
    return write_file_quick(post_stamp_file(), as_bytes(stamp.dump(1, ' ', false, Json::error_handler_t::replace)));
  }

  // The phases of a finished build after the fix; none when there is no such build of the present setting.
  std::optional<std::vector<std::string>> finished_post() const {
    const Result<std::string> text = read_text(post_stamp_file(), kMaxManifestBytes);
    const Json stamp = text ? Json::parse(*text, nullptr, false) : Json();
    if (!stamp.is_object() || !stamp.contains("phases") || stamp.value("setting", "") != setting_) return std::nullopt;
    std::vector<std::string> phases;
    for (const Json &phase : stamp["phases"])
      if (phase.is_string()) phases.push_back(phase.get<std::string>());
    return phases;
  }

  Result<std::vector<BuildRequest::Image>> images_to_patch(const LinkView &pre, const LinkView &post) const {
    if (!request_.choose_images) return request_.images;
    std::vector<LinkedOutput> outputs = TRY(linked_outputs(pre, post, work_ / "store"));
    const std::set<std::string> unlinked = TRY(changed_and_spared());
    for (LinkedOutput &output : outputs) output.changed = output.changed || unlinked.contains((seen_ / output.output_path).string());
    return request_.choose_images(outputs);
  }

  // Of what the build after the fix did not link again, the outputs that would hold something else.
  Result<std::set<std::string>> changed_and_spared() const {
    const Records now = TRY(records_of(post_phases_));
    std::set<std::string> changed = outputs_with_replaced(TRY(read_records(work_ / "records/pre")), now);
    const std::set<std::string> spared(now.spared.begin(), now.spared.end());
    std::erase_if(changed, [&](const std::string &output) { return !spared.contains(output); });
    return changed;
  }

  void note_added_names() {
    runner_.config.added_names.clear();
    for (const TreeChange &change : result_.source_changes)
      if (change.kind == TreeChangeKind::added && is_source_path(change.path))
        runner_.config.added_names.push_back(fs::path(change.path).filename().string());
  }

  struct Built {
    double seconds = 0;
    bool is_whole = false;  // nothing was passed over; false: not looked at yet
  };

  // By the calls of make and ninja that the first build made; where they do not compile all that changed, by the build command.
  // Gives in `phases` where the records are.
  Result<Built> build_in_place(const std::string &name, const MovedTree &moved, std::vector<std::string> &phases) {
    const std::vector<StepRecord> steps = steps_to_repeat(TRY(read_records(work_ / "records/pre")), seen_, tree_);
    double spent = 0;
    if (!steps.empty()) {
      phases.push_back(TRY(runner_.next_phase(name)));
      const Result<double> seconds = runner_.repeat(steps, phases.back());
      if (seconds && !TRY(was_passed_over({}, phases, moved))) return Built{*seconds, true};
      if (seconds && TRY(remove_left_out_links(phases))) {
        say("making the build's own steps once more, for what they did not link again");
        phases.push_back(TRY(runner_.next_phase(name)));
        const Result<double> more = runner_.repeat(steps, phases.back());
        if (more && !TRY(was_passed_over({}, phases, moved))) return Built{*seconds + *more, true};
      }
      say("making the build's own steps again did not compile all that changed; running the build command again");
      if (seconds) spent = *seconds;
    }
    phases.push_back(TRY(runner_.next_phase(name)));
    return Built{spent + TRY(run_again(phases.back())), false};
  }

  // Makefiles often do not say that a program is linked from a static library. What is not there is linked. False: there is nothing such,
  // or it is not where it was linked.
  Result<bool> remove_left_out_links(const std::vector<std::string> &phases) const {
    const std::set<std::string> outputs = links_left_out(TRY(all_records(phases)), TRY(records_of(phases)));
    for (const std::string &output : outputs) {
      const fs::path path = path_below(seen_, output);
      std::error_code error;
      if (path.empty() || !refuse_way_out(path.string()) || fs::symlink_status(tree_ / path, error).type() != fs::file_type::regular) return false;
      if (!fs::remove(tree_ / path, error)) return Error::failed(cat("cannot remove ", (tree_ / path).string(), ": ", error.message()));
    }
    return !outputs.empty();
  }

  Result<Records> records_of(const std::vector<std::string> &phases) const {
    Records all;
    for (const std::string &phase : phases) all = joined(std::move(all), TRY(read_records(work_ / "records" / phase)));
    return all;
  }

  Result<bool> was_passed_over(const Built &built, const std::vector<std::string> &phases, const MovedTree &moved) const {
    if (built.is_whole) return false;
    std::vector<std::string> others = phases;
    others.push_back("pre");
    return passed_over(TRY(read_records(work_ / "records/pre")), TRY(all_records(others)), TRY(records_of(phases)), moved, stale_copies_);
  }

  // Whether a file moved that may be read by more than compilers, whose records would tell.
  Result<bool> steers_build(const MovedTree &moved) const {
    std::set<std::string> steering;
    for (const std::string &path : moved.moved)
      if (may_steer_build(path)) steering.insert((seen_ / path).string());
    if (steering.empty()) return false;
    for (const CompileRecord &compile : TRY(read_records(work_ / "records/pre")).compiles) {
      for (const std::string &file : compile.dependencies) steering.erase(file);
      for (const std::string &file : compile.sources) steering.erase(file);
    }
    return !steering.empty();
  }

  Result<Built> build_whole_tree(std::vector<std::string> &phases) {
    return Built{TRY(rebuild_whole_tree(phases)), false};
  }

  // From a fresh copy: what the fix does not touch comes from the cache of compilations.
  Result<double> rebuild_whole_tree(std::vector<std::string> &phases) {
    std::error_code error;
    fs::remove_all(tree_, error);
    if (error) return Error::failed(cat("cannot remove ", tree_.string(), ": ", error.message()));
    whole_ = true;
    runner_.config.unused_outputs.clear();  // it has none yet
    TRY(copy_tree(request_.pre_dir, tree_));
    const double prepared = TRY(prepare_tree());
    TRY(bring_tree_to_post());
    phases = {TRY(runner_.next_phase("post"))};
    return prepared + TRY(run_command(phases[0]));
  }

  // Files that an earlier post tree changed and this one does not go back to pre. Gives the files that were touched
  // now.
  Result<std::set<std::string>> bring_tree_to_post() {
    std::set<std::string> paths = TRY(touched_before());
    for (const TreeChange &change : result_.source_changes) paths.insert(change.path);
    // Written first: after a crash in between, the next run still knows what may differ from pre.
    TRY(write_file_quick(work_ / "touched.json",
                         as_bytes(Json(paths).dump(1, ' ', false, Json::error_handler_t::replace))));
    return bring_tree_to(request_.post_dir, paths);
  }

  Result<std::set<std::string>> bring_tree_to(const fs::path &source, const std::set<std::string> &paths) {
    const bool anchored = request_.anchoring == LineAnchoring::on && !result_.anchoring_given_up;
    std::set<std::string> moved;
    for (const std::string &path : paths) {
      WantedFile wanted = TRY(read_wanted(source / path));
      if (anchored && source == request_.post_dir) TRY(anchor(path, wanted));
      TRY(refuse_way_out(path));
      const WantedFile old = TRY(read_wanted(tree_ / path));
      if (!TRY_WHILE(put_wanted(tree_ / path, wanted), cat("bringing ", path, " to ", source.string()))) continue;
      moved.insert(path);
      if (is_source_path(path)) stale_copies_.note(path, old.content);
    }
    if (moved.empty()) return moved;
    const Records built = TRY(all_records());
    moved.merge(TRY(stale_copies_.bring_along(built, seen_, tree_, source)));
    TRY(touch_dependents(built, {seen_, tree_, source, moved}));
    return moved;
  }

  // A build may have put a link where a folder was: nothing is written through one that leads out of the tree.
  Status refuse_way_out(const std::string &path) const {
    std::error_code error;
    const fs::path root = fs::canonical(tree_, error);
    const fs::path folder = fs::weakly_canonical((tree_ / path).parent_path(), error);
    if (!error && !path_below(root, folder).empty()) return {};
    return Error::refused(cat("the folder of ", path, " leads out of the tree since the build"));
  }

  Status anchor(const std::string &path, WantedFile &post) {
    if (post.type != WantedFile::Type::regular || !is_anchorable(path, as_text(post.content))) return {};
    const WantedFile pre = TRY(read_wanted(request_.pre_dir / path));
    if (pre.type != WantedFile::Type::regular || pre.content == post.content) return {};
    AnchoredText anchored = anchor_lines(as_text(pre.content), as_text(post.content));
    if (anchored.map.empty()) return {};
    post.content.assign(anchored.text.begin(), anchored.text.end());
    result_.line_maps.insert_or_assign(path, std::move(anchored.map));
    return {};
  }

  Result<std::set<std::string>> touched_before() const {
    std::set<std::string> paths;
    if (!fs::exists(work_ / "touched.json")) return paths;
    const Json json = Json::parse(TRY(read_text(work_ / "touched.json", kMaxTouchedBytes)), nullptr, false);
    for (const Json &path : json)
      if (path.is_string()) paths.insert(path.get<std::string>());
    return paths;
  }

  // What is to be done once in a fresh copy; none of it is recorded.
  Result<double> prepare_tree() {
    if (request_.prepare_command.empty()) return 0.0;
    return runner_.run_shells({request_.prepare_command}, kPreparePhase);
  }

  Result<double> run_command(const std::string &phase) {
    return runner_.run_shells({request_.build_command, further_ ? request_.further_command : ""}, phase);
  }

  Result<double> run_again(const std::string &phase) {
    const std::string &again = request_.again_command.empty() ? request_.build_command : request_.again_command;
    return runner_.run_shells({again, further_ ? request_.further_command : ""}, phase);
  }

  Result<Built> build_second(const MovedTree &moved, std::vector<std::string> &phases) {
    phases.clear();
    const bool in_place = request_.second_build == BuildRequest::SecondBuild::in_place;
    if (in_place && !TRY(steers_build(moved))) return build_in_place("post", moved, phases);
    if (in_place) say("the fix changes how the package is built; building the whole tree again");
    return build_whole_tree(phases);
  }

  // Some packages link only when they install. That this could not be done, too, is no failure yet: it may not have been needed.
  Status build_further() {
    if (request_.further_command.empty()) return {};
    const LinkView view(TRY(read_records(work_ / "records/pre")), seen_, work_ / "store");
    const std::vector<LinkedOutput> outputs = TRY(linked_outputs(view, view, work_ / "store"));
    if (TRY(request_.is_all_linked(outputs))) return {};
    say("not all that is wanted was linked; going on to the next step of the build");
    const Result<double> seconds = runner_.run_shells({request_.further_command}, kFurtherPhase);
    if (!seconds) {
      if (request_.note) request_.note(cat("not all shipped files were linked, and going on failed: ", seconds.error().what()));
      std::error_code ignored;  // what is left is records of links that nothing else mentions
      fs::remove_all(work_ / "records" / kFurtherPhase, ignored);
      return {};
    }
    result_.pre_seconds += *seconds;
    further_ = true;
    return fold_records_into_pre();
  }

  // Everything since pre: a link that was not made again in the latest build is still what lies in the tree.
  Result<Records> all_records(const std::vector<std::string> &without = {}) const {
    Records all;
    std::error_code error;
    for (const fs::directory_entry &folder : fs::directory_iterator(work_ / "records", error)) {
      const std::string phase = folder.path().filename().string();
      if (phase == kPreparePhase || std::find(without.begin(), without.end(), phase) != without.end()) continue;
      all = joined(std::move(all), TRY(read_records(folder.path())));
    }
    return all;
  }

  BuildRequest request_;  // its place's environment may grow
  fs::path work_;
  fs::path seen_;  // the tree, as the build command sees it
  fs::path tree_;  // the same, on this machine
  Fd lock_;
  PhaseRunner runner_;
  StaleCopies stale_copies_;
  std::string program_digest_;  // of the compiler wrapper
  std::string setting_;
  std::vector<std::string> post_phases_;  // where the records of the build after the fix are
  bool whole_ = false;    // whether the tree after the fix was built from a fresh copy
  bool further_ = false;  // whether the further command is part of the build
  BuildResult result_;
};

}  // namespace

Result<BuildResult> run_builds(const BuildRequest &request) {
  return Build(request).run();
}

}  // namespace suture
