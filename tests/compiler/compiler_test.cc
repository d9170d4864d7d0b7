// That what real compilers emit is matched and patched rightly: one program and one fix under many compilers and options.
// The shipped binary is stripped; its unstripped form is the truth that run-pre matching is compared with.
#include <map>

#include "elf/cold_file.h"
#include "elf/hot_file.h"
#include "link/linker.h"
#include "tests/compiler/compiled_pair.h"

namespace suture {
namespace {

const std::string kProgram = std::string(SUTURE_SOURCE_DIR) + "/tests/compiler/program";
const std::vector<std::string> kSources = {"main.c", "*work.c"};

struct Flavour {
  const char *name;
  const char *compiler;
  const char *flags;
};

class EachCompiler : public testing::TestWithParam<Flavour> {
 protected:
  void SetUp() override {
    if (run_shell(std::string("command -v ") + GetParam().compiler).status != 0) GTEST_SKIP() << GetParam().compiler << " is not installed";
    auto folder = TempDir::create("suture-compiler");
    ASSERT_TRUE(folder);
    work_.emplace(std::move(*folder));
    ASSERT_NO_FATAL_FAILURE(build_pair(kProgram, kSources, {GetParam().compiler, GetParam().flags}, work()));
    pair_ = load_pair(kSources, work());
  }
  std::string work() const { return work_->path().string(); }

  std::optional<TempDir> work_;
  std::unique_ptr<LoadedPair> pair_;
};

TEST_P(EachCompiler, LocatesEveryFunctionWhereTheSymbolTableSaysItIs) {
  std::multimap<std::string, uint64_t> truth;
  for (const ImageSymbol &symbol : pair_->unstripped.symbols)
    if (symbol.defined) truth.emplace(symbol.name, symbol.address.value);
  size_t checked = 0;
  for (uint32_t o = 0; o < pair_->pre->object_count(); ++o) {
    for (uint32_t s = 1; s < pair_->pre->object(o).sections.size(); ++s) {
      const ObjectSection &section = pair_->pre->object(o).sections[s];
      if (section.kind != ObjectSection::Kind::code || section.bytes.empty()) continue;
      const Place place{Place::Kind::section, o, s, 0, 0};
      const std::string name = pair_->pre->describe(place);
      const LocatedCode *located = pair_->solution->code(place);
      ASSERT_NE(located, nullptr) << name << ": " << pair_->solution->why_not(place);
      const auto range = truth.equal_range(name);
      const bool right = std::any_of(range.first, range.second, [&](const auto &entry) { return entry.second == located->at.value; });
      EXPECT_TRUE(right) << name << " located at " << hex(located->at.value) << " (" << located->how << ")";
      ++checked;
    }
  }
  EXPECT_GE(checked, 8U);
}

TEST_P(EachCompiler, FindsVariablesWhereTheSymbolTableSaysTheyAre) {
  std::map<std::string, std::vector<uint64_t>> truth;
  for (const ImageSymbol &symbol : pair_->unstripped.symbols)
    if (symbol.defined && symbol.kind == ImageSymbol::Kind::data) truth[symbol.name].push_back(symbol.address.value);
  for (const char *name : {"limit", "chosen", "calls"}) {
    ASSERT_EQ(truth[name].size(), 1U) << name;
    bool found = false;
    const ObjectGraph &graph = pair_->pre->object(1);
    for (const ObjectSymbol &symbol : graph.symbols) {
      if (symbol.name != name || !symbol.in_section()) continue;
      const SolvedValue *value = pair_->solution->value(pair_->pre->section_place(1, symbol.section), Access::address);
      ASSERT_NE(value, nullptr) << name;
      EXPECT_FALSE(value->conflict) << name << ": " << value->source << " and " << value->dissenter;
      EXPECT_EQ(value->value + symbol.value, truth[name][0]) << name;
      found = true;
    }
    EXPECT_TRUE(found) << name;
  }
}

TEST_P(EachCompiler, ChangesOnlyWhatTheFixTouches) {
  std::set<std::string> changed;
  for (const Difference &difference : pair_->comparison->differences())
    if (difference.change == Change::changed && pair_->post->object(difference.object).sections[difference.section].kind == ObjectSection::Kind::code)
      changed.insert(difference.name);
  for (const char *untouched : {"counted_elsewhere", "is_default_handler", "total_calls", "main"}) EXPECT_FALSE(changed.contains(untouched)) << untouched;
  EXPECT_TRUE(changed.contains("classify"));
  EXPECT_TRUE(changed.contains("sum_of"));
}

TEST_P(EachCompiler, TheColdpatchedProgramDoesWhatTheFixedOneDoes) {
  auto made = make_patch(pair_->input());
  ASSERT_TRUE(made) << made.error().text();
  auto hot = link_patch(made->object, pair_->shipped, "compiler-test");
  ASSERT_TRUE(hot) << hot.error().text();
  auto file = write_hot_file(*hot);
  ASSERT_TRUE(file) << file.error().text();
  auto again = read_hot_file(*file);
  ASSERT_TRUE(again) << again.error().text();
  auto cold = write_cold_file(pair_->shipped, *again);
  if (std::string_view(GetParam().flags).find("-static") != std::string_view::npos) {
    // The fix needs a function of the C library, whose objects are not among those given here: there is nobody to import it from.
    ASSERT_FALSE(cold);
    EXPECT_EQ(cold.error().verdict(), Verdict::refused);
    return;
  }
  ASSERT_TRUE(cold) << cold.error().text();
  ASSERT_TRUE(write_file_atomic(work() + "/cold", *cold, 0755));
  const CommandResult fixed = run_shell(cat(GetParam().compiler, " ", GetParam().flags, " -o ", work(), "/fixed ", kProgram, "/main.c ", kProgram, "/post_work.c && ", work(), "/fixed"));
  ASSERT_EQ(fixed.status, 0) << fixed.output;
  const CommandResult old = run_shell(work() + "/shipped");
  EXPECT_NE(old.output, fixed.output);
  const CommandResult patched = run_shell(work() + "/cold");
  EXPECT_EQ(patched.status, 0);
  EXPECT_EQ(patched.output, fixed.output);
}

TEST_P(EachCompiler, AChangedFunctionThatIsLeftIsNotReplacedAndCallsOfItReachTheOldOne) {
  pair_->comparison->leave(*pair_->post, {"classify"});
  ASSERT_FALSE(pair_->comparison->left().empty());
  EXPECT_EQ(pair_->comparison->left().front().name, "classify");
  auto made = make_patch(pair_->input());
  ASSERT_TRUE(made) << made.error().text();
  const auto &functions = made->functions;
  EXPECT_TRUE(std::none_of(functions.begin(), functions.end(), [](const PatchedFunction &function) { return function.name == "classify"; }));
  EXPECT_TRUE(std::any_of(functions.begin(), functions.end(), [](const PatchedFunction &function) { return function.name == "sum_of"; }));
}

INSTANTIATE_TEST_SUITE_P(
    Flavours, EachCompiler,
    testing::Values(Flavour{"gcc_O2_pie", "gcc", "-O2 -fPIE -pie"}, Flavour{"gcc_O0_pie", "gcc", "-O0 -fPIE -pie"},
                    Flavour{"gcc_O3_nopie", "gcc", "-O3 -fno-pie -no-pie"}, Flavour{"gcc_O2_noplt_now", "gcc", "-O2 -fPIE -pie -fno-plt -Wl,-z,now"},
                    Flavour{"gcc_O2_cet_protector", "gcc", "-O2 -fPIE -pie -fcf-protection -fstack-protector-strong"},
                    Flavour{"gcc_O2_static", "gcc", "-O2 -fno-pie -static"}, Flavour{"clang_O2_pie", "clang", "-O2 -fPIE -pie"},
                    Flavour{"clang_O1_nopie", "clang", "-O1 -fno-pie -no-pie"}),
    [](const testing::TestParamInfo<Flavour> &param) { return std::string(param.param.name); });

}  // namespace
}  // namespace suture
