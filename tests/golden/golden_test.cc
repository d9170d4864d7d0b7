// Differencing, case by case: each folder beside this file holds pre.s, post.s and expect.txt, what the differ says of them
// (README.md). Assembled with `as`, so that a case shows exactly what is special about it and no compiler can change it.
#include <cstdlib>
#include <filesystem>

#include "diff/data_hazards.h"
#include "tests/compiler/compiled_pair.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

const fs::path kCases = fs::path(SUTURE_SOURCE_DIR) / "tests/golden";

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto &entry : fs::directory_iterator(kCases))
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// The objects of a case in the form that load_pair takes: pre.s and post.s, and where they are there a second object that changes
// (pre_second.s, post_second.s) and one that does not (other.s).
std::vector<std::string> objects_of(const fs::path &folder) {
  std::vector<std::string> objects = {"*case"};
  if (fs::exists(folder / "pre_second.s")) objects.push_back("*second");
  if (fs::exists(folder / "other.s")) objects.push_back("other");
  return objects;
}

void assemble(const fs::path &folder, const fs::path &work) {
  std::string command = cat("cd ", work.string()), link;
  const auto assemble_one = [&](const std::string &source, const std::string &object) {
    command += cat(" && as --64 -o ", object, " ", (folder / source).string());
  };
  for (const std::string &object : objects_of(folder)) {
    const bool changed = object[0] == '*';
    const std::string name = changed ? object.substr(1) : object;
    const std::string suffix = name == "case" ? "" : "_" + name;
    assemble_one(changed ? cat("pre", suffix, ".s") : name + ".s", name + ".pre.o");
    if (changed) assemble_one(cat("post", suffix, ".s"), name + ".post.o");
    link += cat(" ", name, ".pre.o");
  }
  // The pre objects linked and stripped stand for the image that was shipped.
  if (fs::exists(folder / "versions.map")) link += cat(" --version-script=", (folder / "versions.map").string());
  if (fs::exists(folder / "link.txt")) link += cat(" $(cat ", (folder / "link.txt").string(), ")");
  command += cat(" && ld -shared -z noexecstack --build-id=sha1 --eh-frame-hdr -o unstripped", link, " && strip -o shipped unstripped");
  const CommandResult done = run_shell(command);
  ASSERT_EQ(done.status, 0) << done.output;
}

std::string describe_patch(const DiffInput &input) {
  const auto made = make_patch(input);
  if (!made) return cat("refused: ", made.error().what(), "\n");
  std::string out;
  for (const PatchedFunction &function : made->functions) out += cat(function.added ? "carries " : "replaces ", function.name, "\n");
  for (const PatchPiece &piece : made->object.pieces)
    if (piece.kind != PatchPiece::Kind::code && piece.kind != PatchPiece::Kind::lsda) out += cat("carries data ", piece.name.empty() ? "without a name" : piece.name, "\n");
  return out.empty() ? "nothing to patch\n" : out;
}

std::string describe(const LoadedPair &pair) {
  std::string out;
  for (const Difference &difference : pair.comparison->differences())
    out += cat(name_of(difference.change), " ", difference.name, ": ", difference.reason, "\n");
  if (out.empty()) out = "no difference\n";
  std::vector<std::string> notes;
  for (const Hazard &hazard : find_data_hazards(pair.input(), notes)) out += cat("hazard ", hazard.kind, " ", hazard.item, ": ", hazard.detail, hazard.settled.empty() ? "" : cat(" (", hazard.settled, ")"), "\n");
  for (const std::string &note : notes) out += cat("note ", note, "\n");
  std::string patch = describe_patch(pair.input());
  for (size_t at; (at = patch.find(pair.shipped.path)) != std::string::npos;) patch.replace(at, pair.shipped.path.size(), "IMAGE");
  return out + patch;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, DiffersAsExpected) {
  const auto work = TempDir::create("suture-golden");
  ASSERT_TRUE(work);
  ASSERT_NO_FATAL_FAILURE(assemble(kCases / GetParam(), work->path()));
  const auto pair = load_pair(objects_of(kCases / GetParam()), work->path().string());
  const fs::path expected = kCases / GetParam() / "expect.txt";
  const std::string is = describe(*pair);
  if (std::getenv("SUTURE_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(write_file_atomic(expected, as_bytes(is)));
    GTEST_SKIP() << "wrote " << expected;
  }
  const auto wanted = read_text(expected);
  ASSERT_TRUE(wanted) << wanted.error().text();
  EXPECT_EQ(is, *wanted);
}

INSTANTIATE_TEST_SUITE_P(Case, Golden, testing::ValuesIn(case_names()), [](const auto &found) { return found.param; });

}  // namespace
}  // namespace suture
