#include "build/patch_tree.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

#include "base/cat.h"
#include "base/file.h"
#include "build/subprocess.h"
#include "build/tree.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxNamed = 8;

Result<std::string> find_patch_program() {
  const char *path = ::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const size_t colon = std::min(rest.find(':'), rest.size());
    const std::string candidate = cat(rest.substr(0, colon), "/patch");
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(rest.size(), colon + 1));
  }
  return Error::failed("the program `patch` is not installed").with_next("apt-get install patch");
}

// Runs patch(1) over the tree; its output on failure, nothing when it applied.
enum class Direction { forward, back };
Result<std::optional<std::string>> run_patch(const std::string &program, const fs::path &tree, const fs::path &patch, Direction direction = Direction::forward) {
  const TempDir scratch = TRY(TempDir::create("suture-patch"));
  ProcessRequest request;
  request.program = program;
  // --batch: no questions; --forward: a patch that is in already is an error, not taken back.
  request.words = {"patch",     "-p1",
                   "-F0",       "--batch",
                   direction == Direction::forward ? "--forward" : "--reverse", "--no-backup-if-mismatch",
                   "-r",        "-",
                   "-i",        fs::absolute(patch).string()};
  request.environment = current_environment();
  set_variable(request.environment, "LC_ALL", "C");
  request.folder = tree.string();
  request.stdin_file = "/dev/null";
  request.stdout_file = request.stderr_file = (scratch.path() / "output").string();
  const ProcessOutcome outcome = TRY(run_process(request));
  if (outcome.succeeded()) return std::optional<std::string>();
  return std::optional<std::string>(TRY(read_text(scratch.path() / "output")));
}

}  // namespace

std::string describe_patch_failure(std::string_view output) {
  std::string file, text;
  size_t named = 0;
  const auto add = [&](const std::string &what) {
    if (named++ < kMaxNamed) text += cat(text.empty() ? "" : "; ", what);
  };
  while (!output.empty()) {
    const size_t end = std::min(output.find('\n'), output.size());
    const std::string_view line = output.substr(0, end);
    output.remove_prefix(std::min(output.size(), end + 1));
    for (const std::string_view start : {"patching file ", "checking file "})
      if (line.starts_with(start)) file = line.substr(start.size());
    if (line.starts_with("Hunk #") && line.find("FAILED") != std::string_view::npos)
      add(cat("hunk ", line.substr(6, line.find(' ', 6) - 6), " of ", file, " is not found",
              line.substr(line.find("FAILED") + 6)));
    else if (line.starts_with("can't find file to patch"))
      add("a file it changes does not exist");
    else if (line.starts_with("Reversed (or previously applied)"))
      add(cat(file, " has the change already"));
    else if (line.find("garbage was found") != std::string_view::npos)
      add("it is not a patch");
    else if (line.starts_with("File ") && line.find("git binary") != std::string_view::npos)
      add(cat(line, ": binary changes cannot be applied"));
    else if (line.find("malformed patch") != std::string_view::npos)
      add(std::string(line.substr(line.find("malformed patch"))));
  }
  return text.empty() ? "patch(1) does not say why" : text;
}

Status make_patched_tree(const fs::path &source, const std::vector<fs::path> &patches, const fs::path &post) {
  for (const fs::path &patch : patches)
    if (::access(patch.c_str(), R_OK) != 0)
      return Error::from_errno(errno, cat("cannot read the patch ", patch.string()));
  TRY_WHILE(copy_tree(source, post), cat("copying ", source.string()));
  Status applied = apply_patches(post, patches);
  if (applied) return {};
  std::error_code ignored;  // half a fix is no tree to leave behind, but the refusal is what matters
  fs::remove_all(post, ignored);
  return applied;
}

Status apply_patches(const fs::path &tree, const std::vector<fs::path> &patches) {
  const std::string program = TRY(find_patch_program());
  for (const fs::path &patch : patches) {
    const std::optional<std::string> failure = TRY(run_patch(program, tree, patch));
    if (!failure) continue;
    return Error::refused(cat("the patch ", patch.string(), " does not apply: ", describe_patch_failure(*failure)))
        .with_next("give the patch against exactly this source, or both trees with --pre and --post");
  }
  return {};
}

Status take_back_patches(const fs::path &tree, const std::vector<fs::path> &patches) {
  const std::string program = TRY(find_patch_program());
  for (auto patch = patches.rbegin(); patch != patches.rend(); ++patch) {
    const std::optional<std::string> failure = TRY(run_patch(program, tree, *patch, Direction::back));
    if (!failure) continue;
    return Error::refused(cat("the patch ", patch->string(), " cannot be taken out of ", tree.string(), ": ", describe_patch_failure(*failure)))
        .with_next("what was built on it later has to be left out with it");
  }
  return {};
}

}  // namespace suture
