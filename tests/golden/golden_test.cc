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

void assemble(const fs::path &folder, const fs::path &work) {
  std::string command = "true";
  for (const char *side : {"pre", "post"}) command += cat(" && as --64 -o ", (work / side).string(), ".s.o ", (folder / side).string(), ".s");
  // The pre object linked and stripped stands for the image that was shipped.
  command += cat(" && ld -shared -z noexecstack --build-id=sha1 --eh-frame-hdr -o ", (work / "unstripped").string(), " ", (work / "pre.s.o").string(), " && strip -o ",
                 (work / "shipped").string(), " ", (work / "unstripped").string(), " && cd ", work.string(), " && mv pre.s.o case.pre.o && mv post.s.o case.post.o");
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
  for (const Hazard &hazard : find_data_hazards(pair.input(), notes)) out += cat("hazard ", hazard.kind, " ", hazard.item, ": ", hazard.detail, "\n");
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
  const auto pair = load_pair({"*case"}, work->path().string());
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
