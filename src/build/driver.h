// Compiles a program before and after a fix and says which objects each image was linked from: the compile side of
// `suture build`. The pre tree is copied into the work folder and built by the package's own command under the compiler
// wrapper; then the same tree is brought to post's content, touching only what differs, and built again at the same
// path in the same environment. Whatever differs between the two then comes from the fix.
//
// The work folder:
//   src/            the tree being built (elsewhere when a build path is given)
//   shim/           the wrapper under the names of the compilers, and its configuration
//   store/          objects and linked programs, by content
//   cache/          compilations, by command
//   records/pre, records/post-N    one JSON file per compilation and link
//   log/            output of the builds
// It may be kept: a further fix to the same pre tree then reuses the pre build and every object the fix does not touch.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "build/line_anchor.h"
#include "build/record.h"
#include "build/subprocess.h"
#include "build/tree.h"

namespace suture {

enum class LineAnchoring { on, off };

struct ObjectPair {
  std::string name;           // relative to the tree: "src/rdb.o", "deps/lua/liblua.a(lapi.o)"; absolute outside of it
  std::filesystem::path pre;  // snapshots; empty when the object is only in the other build
  std::filesystem::path post;
  bool changed = false;     // contents differ, or only one is there
  bool from_tree = true;    // false: of the system (crt1.o, members of libc_nonshared.a)
  bool made_in_link = false;  // machine code that the linker's plugin made of intermediate code
  std::string source_file;  // relative to the tree where within it; empty when it was not seen being compiled
};

// One file that both builds linked.
struct LinkedOutput {
  std::string output_path;  // relative to the tree
  LinkKind kind = LinkKind::executable;
  std::filesystem::path pre;  // snapshot, unstripped
  bool changed = false;       // some object of the tree differs
  std::string content;        // of its objects before the fix: equal for links that made the same
  // Made anew by each call: a build may link hundreds of programs of one library's objects. Only during the call that is given the output.
  std::function<Result<std::vector<ObjectPair>>()> objects;
};

// Of the work folder, the command writes to these only: the compiler wrapper does.
inline constexpr const char *kWrapperFolders[] = {"records", "store", "cache", "tmp"};

// Where the build command runs when that is not simply here: a build root (debian/private_root.h). The work folder has
// the same path in there; the tree has another.
struct BuildPlace {
  std::filesystem::path root;  // on this machine; the root folder as the command sees it
  std::function<Result<ProcessOutcome>(const ProcessRequest &)> run;
  std::vector<std::string> environment;  // to start from instead of ours
  // Asked, when set, when the first build of a tree fails: gives the place what such builds may miss, and the environment to try again with.
  // Empty: it has all that there is.
  std::function<Result<std::vector<std::string>>()> give_more = {};
};

struct BuildRequest {
  struct Image {
    std::string shipped_path;                // where the binary is installed: its name finds the build output
    std::optional<std::string> output_path;  // where the build makes it, relative to the tree
    std::string installed_path = {};         // where hosts have it, when shipped_path is a copy elsewhere
  };
  std::filesystem::path pre_dir, post_dir;
  std::string build_command;  // for /bin/sh, run in the tree
  std::vector<Image> images;
  // Asked, when set, which of the files that the builds linked are shipped, and changed by the fix; instead of `images`. May be none.
  std::function<Result<std::vector<Image>>(const std::vector<LinkedOutput> &)> choose_images;
  // Beside `choose_images`: the paths of the outputs that it may choose from, of what the first build linked. All others may be left as they
  // are by the second one where the build itself does not use them; when not set, none is.
  std::function<Result<std::set<std::string>>(const std::vector<LinkedOutput> &)> shipped_outputs;
  std::optional<BuildPlace> place;
  // How the tree after the fix is built: in the tree of the first build, or in a fresh copy with the cache of compilations.
  enum class SecondBuild { in_place, whole_tree } second_build = SecondBuild::in_place;
  std::string again_command;    // for a further build in one tree, when that is not the build command; may be empty
  // What to run after the build command where that did not link all that is wanted (asked once, of what the first build linked);
  // both may be empty.
  std::string further_command;
  std::function<Result<bool>(const std::vector<LinkedOutput> &)> is_all_linked;
  std::string prepare_command;  // run once in a fresh copy of the tree, before the build command; may be empty
  std::filesystem::path work_dir;
  std::optional<std::filesystem::path> build_path;  // where the tree is to be built (recorded in debug info, __FILE__)
  unsigned jobs = 0;                                // 0: as the build command says
  std::vector<std::pair<std::string, std::string>> environment;  // added to ours
  LineAnchoring anchoring = LineAnchoring::on;  // keep pre's line numbers in unchanged text (line_anchor.h)
  std::function<void(const std::string &)> progress;
  std::function<void(const std::string &)> note;  // told what went otherwise than wanted and is no failure yet
};

struct LinkedImage {
  std::string shipped_path;
  std::string installed_path;  // as of the request
  std::string output_path;  // relative to the tree
  LinkKind kind = LinkKind::executable;
  std::filesystem::path pre, post;     // the linked file as it was right after the link: unstripped
  std::vector<ObjectPair> objects;     // in link order of post; removed ones last
  std::vector<ObjectPair> intermediate;  // objects of intermediate code, whose machine code is among `objects`
  std::vector<std::string> libraries;  // shared libraries post was linked against
  bool lto = false;                    // objects hold compiler intermediate code
};

struct BuildResult {
  std::vector<LinkedImage> images;           // in the order of the request
  std::vector<TreeChange> source_changes;    // from pre to post
  std::vector<std::string> unread;           // those of them that no compilation reads (unread_changes.h)
  std::map<std::string, LineMap> line_maps;  // of the files whose post text was given #line directives
  bool anchoring_given_up = false;           // the post tree builds only without them
  std::filesystem::path tree;                // where it was built
  double pre_seconds = 0, post_seconds = 0;
  bool pre_reused = false;                    // the work folder held the pre build already
  size_t pre_compiles = 0;                    // compilations seen
  size_t post_compiles = 0, post_cached = 0;  // compiled again; asked for again but given from the cache
  size_t post_links = 0, post_links_spared = 0;  // linked again; would have been, but nothing uses what they make
};

Result<BuildResult> run_builds(const BuildRequest &request);

}  // namespace suture
