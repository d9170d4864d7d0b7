// Builds small projects through the driver and the real compilers.
#include "build/driver.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/cat.h"
#include "base/file.h"

namespace suture {
namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

constexpr const char *kMakefile =
    "CC = gcc\nCFLAGS = -O2 -g\n"
    "all: prog\n"
    "libx.a: x.o y.o\n\tar rc $@ $^\n"
    "prog: main.o util.o libx.a\n\t$(CC) $(CFLAGS) -o $@ main.o util.o -L. -lx\n"
    "%.o: %.c h.h\n\t$(CC) $(CFLAGS) -c $< -o $@\n"
    "clean:\n\trm -f *.o *.a prog\n";

Files make_project() {
  return {
      {"Makefile", kMakefile},
      {"h.h",
       "#ifndef H_H\n#define H_H\nint x(int);\nint y(int);\nint util(int);\nvoid fail(int);\n#define CHECK(a) ((a) ? "
       "(void)0 : fail(__LINE__))\n#endif\n"},
      {"main.c", "#include \"h.h\"\nint main(int c, char **v) { (void)v; return x(c) + util(c); }\n"},
      {"util.c",
       "#include \"h.h\"\nint util(int a) {\n  return a + 1;\n}\nint behind(int a) {\n  CHECK(a > 3);\n  return a;\n}\n"
       "void fail(int line) { __builtin_trap(); (void)line; }\n"},
      {"x.c", "#include \"h.h\"\nint x(int a) { return a * 3; }\n"},
      {"y.c", "#include \"h.h\"\nint y(int a) { return a * 5; }\n"}};
}

// The fix puts three lines before a function that holds __LINE__.
Files fixed(Files files) {
  files["util.c"] =
      "#include \"h.h\"\nint util(int a) {\n  if (a > 100) {\n    return 7;\n  }\n  return a + 1;\n}\nint behind(int "
      "a) {\n"
      "  CHECK(a > 3);\n  return a;\n}\nvoid fail(int line) { __builtin_trap(); (void)line; }\n";
  return files;
}

void write_tree(const fs::path &root, const Files &files) {
  for (const auto &[name, text] : files) {
    fs::create_directories((root / name).parent_path());
    ASSERT_TRUE(write_file_atomic(root / name, as_bytes(text)));
  }
}

bool have(const char *program) {
  return ::access(cat("/usr/bin/", program).c_str(), X_OK) == 0;
}

class DriverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<TempDir> folder = TempDir::create("driver-test");
    ASSERT_TRUE(folder);
    folder_.emplace(std::move(*folder));
  }
  fs::path at(const std::string &name) const { return folder_->path() / name; }

  Result<BuildResult> build(const Files &pre, const Files &post, const std::string &command, const std::string &image) {
    fs::remove_all(at("pre"));
    fs::remove_all(at("post"));
    write_tree(at("pre"), pre);
    write_tree(at("post"), post);
    BuildRequest request;
    request.pre_dir = at("pre");
    request.post_dir = at("post");
    request.work_dir = at("work");
    request.build_command = command;
    const size_t equals = image.find('=');
    request.images = {{image.substr(0, equals),
                       equals == std::string::npos ? std::nullopt : std::optional(image.substr(equals + 1))}};
    request.anchoring = anchoring_;
    if (!further_.empty()) {
      request.further_command = further_;
      request.is_all_linked = [](const std::vector<LinkedOutput> &outputs) -> Result<bool> {
        return std::any_of(outputs.begin(), outputs.end(), [](const LinkedOutput &o) { return o.output_path == "prog"; });
      };
      request.note = [this](const std::string &text) { notes_.push_back(text); };
    }
    return run_builds(request);
  }

  static std::vector<std::string> changed(const LinkedImage &image) {
    std::vector<std::string> names;
    for (const ObjectPair &object : image.objects)
      if (object.changed) names.push_back(object.name);
    return names;
  }
  static std::vector<std::string> of_tree(const LinkedImage &image) {
    std::vector<std::string> names;
    for (const ObjectPair &object : image.objects)
      if (object.from_tree) names.push_back(object.name);
    return names;
  }
  static const ObjectPair *find(const LinkedImage &image, const std::string &name) {
    for (const ObjectPair &object : image.objects)
      if (object.name == name) return &object;
    return nullptr;
  }
  // Does a section of this name stand in the object? Section names lie in .shstrtab, each ended by NUL.
  static bool has_section(const fs::path &object, const std::string &name) {
    const Result<Bytes> bytes = read_file(object);
    return bytes && as_text(*bytes).find(name + '\0') != std::string_view::npos;
  }

  size_t lines_in_tree(const std::string &name) const {
    const std::string text = read_text(at("work/src") / name).value();
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  }

  std::optional<TempDir> folder_;
  LineAnchoring anchoring_ = LineAnchoring::on;
  std::string further_;  // command for when prog is not linked
  std::vector<std::string> notes_;
};

#define ASSERT_BUILT(result) ASSERT_TRUE(result) << (result).error().text()

TEST_F(DriverTest, FindsTheOneChangedObjectOfAMakeProject) {
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), "make", "usr/bin/prog=prog");
  ASSERT_BUILT(result);
  const LinkedImage &image = result->images.at(0);
  EXPECT_EQ(image.output_path, "prog");
  EXPECT_EQ(image.kind, LinkKind::executable);
  // y.o is in the archive, but nothing needs it.
  EXPECT_EQ(of_tree(image), (std::vector<std::string>{"main.o", "util.o", "libx.a(x.o)"}));
  EXPECT_EQ(changed(image), std::vector<std::string>{"util.o"});
  const ObjectPair *util = find(image, "util.o");
  ASSERT_NE(util, nullptr);
  EXPECT_EQ(util->source_file, "util.c");
  const ObjectPair *member = find(image, "libx.a(x.o)");
  ASSERT_NE(member, nullptr);
  EXPECT_EQ(member->source_file, "x.c");
  EXPECT_TRUE(has_section(util->pre, ".text.util"));
  EXPECT_TRUE(has_section(util->post, ".text.behind"));
  EXPECT_TRUE(fs::exists(image.pre));
  EXPECT_NE(image.pre, image.post);
  EXPECT_EQ(result->pre_compiles, 4u);
  EXPECT_EQ(result->post_compiles, 1u);
}

TEST_F(DriverTest, KeepsLineNumbersBehindTheFix) {
  Files pre = make_project(), post = fixed(make_project());
  // A file that holds nothing but the line numbers of what lies behind the fix.
  pre["Makefile"] = post["Makefile"] =
      std::string(kMakefile) + "all: lines\nlines: util.c\n\tgcc -E util.c | grep -o 'fail([0-9]*)' > lines\n";
  const Result<BuildResult> result = build(pre, post, "make", "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(*read_text(result->tree / "lines"), "fail(6)\n");
  EXPECT_EQ(result->line_maps.at("util.c").told(9), 6u);
}

TEST_F(DriverTest, LeavesLineNumbersAloneWhenToldTo) {
  anchoring_ = LineAnchoring::off;
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), "make", "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(*read_text(result->tree / "util.c"), *read_text(at("post/util.c")));
  EXPECT_TRUE(result->line_maps.empty());
}

TEST_F(DriverTest, BuildsWithoutLineNumbersWhereTheCodeDoesNotTakeThem) {
  Files pre = make_project(), post = make_project();
  const std::string unique =
      "#define CAT_(a, b) a##b\n#define CAT(a, b) CAT_(a, b)\n#define UNIQUE static int CAT(u_, __LINE__) "
      "__attribute__((used))\n";
  pre["util.c"] += unique + "int a;\nUNIQUE;\n";
  post["util.c"] += unique + "UNIQUE;\nUNIQUE;\nUNIQUE;\nint a;\nUNIQUE;\n";
  // Two of one name, once anchored: tentative definitions of equal type are allowed, so give the later one another
  // type.
  pre["util.c"] += "#undef UNIQUE\n";
  post["util.c"].replace(post["util.c"].rfind("UNIQUE;"), 7, "static char CAT(u_, __LINE__) __attribute__((used));");
  pre["util.c"].replace(pre["util.c"].rfind("UNIQUE;"), 7, "static char CAT(u_, __LINE__) __attribute__((used));");
  const Result<BuildResult> result = build(pre, post, "make", "prog");
  ASSERT_BUILT(result);
  EXPECT_TRUE(result->anchoring_given_up);
  EXPECT_EQ(*read_text(result->tree / "util.c"), post["util.c"]);
}

TEST_F(DriverTest, CompilesOnlyTheFixWhereTheBuildStartsByCleaningUp) {
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), "make clean && make", "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(result->post_compiles, 1u);
  EXPECT_EQ(result->post_cached, 3u);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
}

TEST_F(DriverTest, CompilesAgainWhatIncludesAChangedHeader) {
  Files post = make_project();
  post["h.h"].replace(post["h.h"].find("fail(__LINE__)"), 14, "fail(-__LINE__)");
  const Result<BuildResult> result = build(make_project(), post, "make clean && make", "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(result->post_compiles, 4u);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});  // the others do not use what changed
}

TEST_F(DriverTest, CompilesAgainWhatAnAddedHeaderNowShadows) {
  Files pre = make_project();
  pre["Makefile"].replace(pre["Makefile"].find("-O2 -g"), 6, "-O2 -Inew -Iold");
  pre["old/value.h"] = "#define VALUE 1\n";
  pre["x.c"] += "#include <value.h>\nint value(void) { return VALUE; }\n";
  Files post = pre;
  post["new/value.h"] = "#define VALUE 2\n";
  const Result<BuildResult> result = build(pre, post, "make clean && make", "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(result->post_compiles, 1u);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"libx.a(x.o)"});
}

TEST_F(DriverTest, SeesObjectsAddedAndRemoved) {
  Files post = make_project();
  post["Makefile"] = "prog: main.c more.c h.h\n\tgcc -O2 -g -c main.c more.c x.c y.c\n\tar rc libx.a x.o y.o\n\tgcc -O2 -g -o prog main.o more.o libx.a\n";
  post["more.c"] = "#include \"h.h\"\nint util(int a) { return a; }\n";
  const Result<BuildResult> result = build(make_project(), post, "make", "prog");
  ASSERT_BUILT(result);
  const LinkedImage &image = result->images.at(0);
  size_t added = 0, removed = 0;
  for (const ObjectPair &object : image.objects) {
    if (object.pre.empty()) {
      ++added;
      EXPECT_EQ(object.source_file, "more.c");
    }
    if (object.post.empty()) {
      ++removed;
      EXPECT_EQ(object.name, "util.o");
    }
  }
  EXPECT_EQ(added, 1u);
  EXPECT_EQ(removed, 1u);
}

TEST_F(DriverTest, FindsObjectsThatLiveOnlyDuringOneCommand) {
  Files pre = make_project(), post = fixed(make_project());
  const std::string command = "gcc -O2 -o prog main.c util.c x.c";
  const Result<BuildResult> result = build(pre, post, command, "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(of_tree(result->images.at(0)), (std::vector<std::string>{"main.c.o", "util.c.o", "x.c.o"}));
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.c.o"});
}

TEST_F(DriverTest, SeesThroughRelocatableLinksResponseFilesAndThinArchives) {
  const std::string command =
      "set -e; gcc -O2 -c main.c util.c x.c y.c; echo 'util.o x.o' > list; ld -r -o both.o @list; ar rcT libt.a "
      "both.o; "
      "gcc -o prog main.o libt.a";
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), command, "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(of_tree(result->images.at(0)), (std::vector<std::string>{"main.o", "util.o", "x.o"}));
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
}

TEST_F(DriverTest, AddsSectionsWhereTheCompilerIsCalledByItsAbsolutePath) {
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), "make CC=/usr/bin/gcc", "prog");
  ASSERT_BUILT(result);
  const LinkedImage &image = result->images.at(0);
  EXPECT_EQ(changed(image), std::vector<std::string>{"util.o"});
  const ObjectPair *util = find(image, "util.o");
  ASSERT_NE(util, nullptr);
  EXPECT_TRUE(has_section(util->pre, ".text.util"));
}

TEST_F(DriverTest, LetsThePreprocessorBeCalledByItsName) {
  Files pre = make_project();
  pre["y.c"] += "#include \"made.h\"\nint made(void) { return MADE; }\n";
  pre["made.in"] = "#include \"h.h\"\nx\n";
  pre["Makefile"] += "y.o: made.h\nmade.h: made.in\n\tcpp -P made.in > made.i && echo '#define MADE 1' > made.h\n";
  const Result<BuildResult> result = build(pre, fixed(pre), "make", "usr/bin/prog=prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
}

TEST_F(DriverTest, WorksInABuildThatClearsTheEnvironment) {
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), "env -i PATH=\"$PATH\" make", "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
}

TEST_F(DriverTest, BuildsWithClangAndItsLinker) {
  if (!have("clang") || !have("ld.lld")) GTEST_SKIP() << "clang or lld is not installed";
  for (const std::string flags : {" CFLAGS='-O2 -fuse-ld=lld'", " CFLAGS='-O2 -fuse-ld=gold'"}) {
    fs::remove_all(at("work"));
    const Result<BuildResult> result = build(make_project(), fixed(make_project()), "make CC=clang" + flags, "prog");
    ASSERT_BUILT(result);
    EXPECT_EQ(of_tree(result->images.at(0)), (std::vector<std::string>{"main.o", "util.o", "libx.a(x.o)"})) << flags;
    EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"}) << flags;
  }
}

TEST_F(DriverTest, BuildsACMakeProjectWithASharedLibrary) {
  if (!have("cmake") || !have("ninja")) GTEST_SKIP() << "cmake or ninja is not installed";
  Files pre = make_project();
  pre["CMakeLists.txt"] =
      "cmake_minimum_required(VERSION 3.16)\nproject(p C)\nadd_library(util SHARED util.c x.c)\n"
      "set_target_properties(util PROPERTIES VERSION 1.2.3 SOVERSION 1)\nadd_executable(prog "
      "main.c)\ntarget_link_libraries(prog util)\n";
  Files post = pre;
  post["util.c"] = fixed(make_project())["util.c"];
  const Result<BuildResult> result =
      build(pre, post, "cmake -G Ninja -B out -DCMAKE_BUILD_TYPE=Release && ninja -C out", "usr/lib/libutil.so.1.2.3");
  ASSERT_BUILT(result);
  const LinkedImage &image = result->images.at(0);
  EXPECT_EQ(image.output_path, "out/libutil.so.1.2.3");
  EXPECT_EQ(image.kind, LinkKind::shared);
  EXPECT_EQ(changed(image), std::vector<std::string>{"out/CMakeFiles/util.dir/util.c.o"});
  EXPECT_EQ(result->post_compiles, 1u);
}

TEST_F(DriverTest, GivesConfigureScriptsTheAnswersOfTheCompilerItself) {
  // What autoconf's scripts do, without the minute they take: conftest.c compiled, linked and run, and only the status
  // looked at.
  Files pre = make_project();
  pre["configure"] =
      "check() { echo \"$2\" > conftest.c; rm -f conftest; eval \"$3\" > conftest.log 2>&1; echo \"$1 $?\" >> $out; "
      "sed 's,/tmp/cc[A-Za-z0-9]*,TEMPORARY,' conftest.log >> $out; }\n"
      "out=$1; : > $out\n"
      "check works 'int main(void){return 0;}' 'gcc conftest.c && ./a.out'\n"
      "check werror 'int main(void){return 0;}' 'gcc -Werror -pedantic-errors -c conftest.c'\n"
      "check function 'int no_such_function(void); int main(void){return no_such_function();}' 'gcc -o conftest "
      "conftest.c'\n"
      "check flag 'int main(void){return 0;}' 'gcc -Werror -fno-such-flag -c conftest.c'\n"
      "check header '#include <no_such.h>' 'gcc -E conftest.c'\n"
      "check sections 'int f(void){return 0;}' 'gcc -c conftest.c && objdump -h conftest.o | grep -c text'\n";
  pre["Makefile"] =
      "all: prog answers bare\nanswers: configure\n\tsh configure answers\nbare: configure answers\n"
      "\tenv -u COMPILER_PATH PATH=\"$(BARE)\" sh configure bare\n" +
      std::string(kMakefile);
  const Result<BuildResult> result = build(pre, fixed(pre), cat("make BARE='", ::getenv("PATH"), "'"), "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(*read_text(result->tree / "answers"), *read_text(result->tree / "bare"));
  EXPECT_NE(read_text(result->tree / "answers")->find("works 0"), std::string::npos);
}

TEST_F(DriverTest, IsInvisibleToTheBuild) {
  // The same commands with the wrapper and without: what they print, their exit status, the dependency files they
  // write.
  const std::string commands =
      "gcc -c broken.c -o broken.o; echo status $?; gcc -Wall -c warns.c -o warns.o; echo status $?; gcc -E main.c | "
      "md5sum; "
      "gcc -fsyntax-only main.c; echo status $?; echo 'int z;' | gcc -xc -c - -o /dev/null; echo status $?; gcc -S -o "
      "- x.c -fno-ident | grep -c globl; "
      "gcc -MMD -c main.c -o m.o && cat m.d; gcc -Wp,-MD,k.d -c main.c -o k.o && md5sum < k.d; echo '-c x.c -o' > "
      "args; gcc @args r.o && ls r.o; "
      "gcc --version; gcc -dumpmachine; gcc -print-prog-name=ld; gcc; echo status $?; gcc -c missing.c; echo status "
      "$?; gcc -o nope main.o; echo status $?";
  Files pre = make_project();
  pre["broken.c"] = "int main(void) { return undeclared; }\n";
  pre["warns.c"] = "int f(void) { int unused; return 1; }\n";
  pre["commands"] = commands;
  pre["Makefile"] = std::string(kMakefile) +
                    "all: wrapped bare\nwrapped: main.o commands\n\tsh commands > wrapped 2>&1\n"
                    "bare: main.o wrapped commands\n\tenv -u COMPILER_PATH PATH=\"$(BARE)\" sh commands > bare 2>&1\n";
  const std::string bare_path = ::getenv("PATH");
  const Result<BuildResult> result = build(pre, fixed(pre), "make BARE='" + bare_path + "'", "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(*read_text(result->tree / "wrapped"), *read_text(result->tree / "bare"));
}

TEST_F(DriverTest, RepeatsWarningsWhenAResultComesFromTheCache) {
  Files pre = make_project();
  pre["x.c"] += "static int unused_here(void) { return 1; }\n";
  const Result<BuildResult> result =
      build(pre, fixed(pre), "make clean && make CFLAGS='-O2 -Wall' 2> messages", "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(result->post_compiles, 1u);
  EXPECT_NE(read_text(result->tree / "messages")->find("unused_here"), std::string::npos);
}

TEST_F(DriverTest, FindsTheLinkOfAnInstalledAndStrippedFileByItsBuildId) {
  const std::string command = "make && mkdir -p debian/tmp && strip -o debian/tmp/progd prog";
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), command, "usr/sbin/progd");
  ASSERT_BUILT(result);
  EXPECT_EQ(result->images.at(0).output_path, "prog");
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
}

TEST_F(DriverTest, TakesOfSeveralFilesOfOneNameTheOneThatIsShipped) {
  const Files pre = {{"a.c", "int f(int a) { return a * K; }\nint main(int c, char **v) { (void)v; return f(c); }\n"}};
  const Files post = {{"a.c", "int f(int a) { return a * K + 1; }\nint main(int c, char **v) { (void)v; return f(c); }\n"}};
  const std::string command =
      "mkdir -p one two other && gcc -O2 -DK=3 -Wl,--build-id -o one/prog a.c && gcc -O2 -DK=5 -Wl,--build-id -o two/prog a.c && "
      "gcc -O2 -m32 -DK=7 -c -o a32.o a.c && ld -m elf_i386 -e f -o other/prog a32.o";
  write_tree(at("shipped"), pre);
  ASSERT_EQ(std::system(cat("cd ", at("shipped").string(), " && ", command, " && strip two/prog").c_str()), 0);
  const Result<BuildResult> result = build(pre, post, command, at("shipped/two/prog").string());
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->images[0].output_path, "two/prog");
}

TEST_F(DriverTest, ReusesThePreBuildForAnotherFixAndTakesTheEarlierOneBack) {
  ASSERT_BUILT(build(make_project(), fixed(make_project()), "make", "prog"));
  Files other = make_project();
  other["x.c"] = "#include \"h.h\"\nint x(int a) { return a * 4; }\n";
  const Result<BuildResult> second = build(make_project(), other, "make", "prog");
  ASSERT_BUILT(second);
  EXPECT_TRUE(second->pre_reused);
  EXPECT_EQ(changed(second->images.at(0)), std::vector<std::string>{"libx.a(x.o)"});
  // And the same again: make has nothing to do, but the answer is the same.
  const Result<BuildResult> third = build(make_project(), other, "make", "prog");
  ASSERT_BUILT(third);
  EXPECT_EQ(changed(third->images.at(0)), std::vector<std::string>{"libx.a(x.o)"});
}

TEST_F(DriverTest, TakesTheBuildAfterTheFixAgainWhenNothingMoved) {
  ASSERT_BUILT(build(make_project(), fixed(make_project()), "make; date +%N >> built", "prog"));
  const Result<std::string> once = read_text(at("work/src/built"));
  const Result<BuildResult> again = build(make_project(), fixed(make_project()), "make; date +%N >> built", "prog");
  ASSERT_BUILT(again);
  EXPECT_EQ(changed(again->images.at(0)), std::vector<std::string>{"util.o"});
  EXPECT_EQ(read_text(at("work/src/built")).value(), once.value());
}

TEST_F(DriverTest, FollowsToANearSourceBeforeAnotherFix) {
  ASSERT_BUILT(build(make_project(), fixed(make_project()), "make", "prog"));
  Files pre = make_project();  // the first fix is taken back, main.c has moved on
  pre["main.c"] += "int more;\n";
  Files post = pre;
  post["x.c"] = "#include \"h.h\"\nint x(int a) { return a * 4; }\n";
  const Result<BuildResult> result = build(pre, post, "make", "prog");
  ASSERT_BUILT(result);
  EXPECT_FALSE(result->pre_reused);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"libx.a(x.o)"});
  EXPECT_TRUE(has_section(find(result->images[0], "main.o")->pre, ".bss.more"));
  EXPECT_EQ(result->pre_compiles, 7u);  // four at first, util.o of the first fix, util.o and main.o now
}

TEST_F(DriverTest, FollowsWithAWholeBuildWhereTheBuildKeepsStamps) {
  const char *command = "test -e stamp || make && touch stamp";
  ASSERT_BUILT(build(make_project(), fixed(make_project()), command, "prog"));
  Files pre = make_project();
  pre["main.c"] += "int more;\n";
  const Result<BuildResult> result = build(pre, fixed(pre), command, "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
  EXPECT_TRUE(has_section(find(result->images[0], "main.o")->pre, ".bss.more"));
}

TEST_F(DriverTest, BuildsAnewWhereTheBuildCompilesCopiesThatStayedBehind) {
  // As exim4's rules do: one copy of the sources for each flavour, made once, and all of it compiled each time.
  const char *command = "test -d b || { mkdir b && cp *.c *.h Makefile b; }; rm -f b/*.o && make -C b";
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), command, "b/prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"b/util.o"});
  Files pre = fixed(make_project());  // the next fix of the series, of a header that all copies hold too
  Files post = pre;
  post["h.h"].replace(post["h.h"].find("fail(__LINE__)"), 14, "fail(-__LINE__)");
  const Result<BuildResult> next = build(pre, post, command, "b/prog");
  ASSERT_BUILT(next);
  EXPECT_EQ(changed(next->images.at(0)), std::vector<std::string>{"b/util.o"});
}

TEST_F(DriverTest, BringsCopiesOfTheSourcesAlongWithThem) {
  // As expat's rules do: copied and configured once, all in one go.
  const char *command = "echo ran >> rules-ran; rm -rf b && mkdir b && cp *.c *.h Makefile b && make -C b";
  ASSERT_BUILT(build(make_project(), fixed(make_project()), command, "b/prog"));
  EXPECT_EQ(lines_in_tree("rules-ran"), 1u);
  Files other = make_project();
  other["x.c"] = "#include \"h.h\"\nint x(int a) { return a * 4; }\n";
  const Result<BuildResult> result = build(make_project(), other, command, "b/prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"b/libx.a(x.o)"});
  EXPECT_EQ(lines_in_tree("rules-ran"), 1u);
}

TEST_F(DriverTest, CompilesAgainWhatIncludesAChangedHeaderThoughTheMakefileDoesNotKnow) {
  Files pre = make_project();
  pre["Makefile"].replace(pre["Makefile"].find("%.c h.h"), 7, "%.c");
  pre["Makefile"] += "links/x.c:\n\tmkdir -p links; ln -sf ../x.c links/x.c\nx.o: links/x.c\n\t$(CC) $(CFLAGS) -c links/x.c -I. -o $@\n";
  Files post = fixed(pre);  // so that something is compiled in any case
  post["h.h"].replace(post["h.h"].find("fail(__LINE__)"), 14, "fail(-__LINE__)");
  pre["x.c"] += "void checked(int a) { CHECK(a); }\n";
  post["x.c"] = pre["x.c"];
  const Result<BuildResult> result = build(pre, post, cat("make; echo run >> ", at("runs").string()), "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), (std::vector<std::string>{"util.o", "libx.a(x.o)"}));
  EXPECT_EQ(read_text(at("runs")).value(), "run\n");  // the second build made make's call again
}

TEST_F(DriverTest, LinksAgainWhatIsLinkedFromALibraryThoughTheMakefileDoesNotSaySo) {
  Files pre = make_project();
  pre["Makefile"].replace(pre["Makefile"].find("util.o libx.a\n"), 14, "util.o | libx.a\n");
  Files post = pre;
  post["x.c"] = "#include \"h.h\"\nint x(int a) { return a * 4; }\n";
  const Result<BuildResult> result = build(pre, post, cat("make; echo run >> ", at("runs").string()), "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"libx.a(x.o)"});
  EXPECT_EQ(read_text(at("runs")).value(), "run\n");  // make's call alone was made again
}

TEST_F(DriverTest, CompilesAgainWhatIncludesTheCopyOfAHeaderBelowDebianThoughTheMakefileDoesNotKnow) {
  // As curl's rules do: copies below debian/, which are no packaging, and configured without tracking of dependencies.
  const char *command = "test -d debian/b || { mkdir -p debian/b && cp *.c *.h Makefile debian/b; }; make -C debian/b";
  Files pre = make_project();
  pre["Makefile"].replace(pre["Makefile"].find("%.c h.h"), 7, "%.c");
  pre["x.c"] += "void checked(int a) { CHECK(a); }\n";
  ASSERT_BUILT(build(pre, fixed(pre), command, "debian/b/prog"));
  Files post = fixed(pre);
  post["util.c"] += "int more;\n";  // so that something is compiled in any case
  post["h.h"].replace(post["h.h"].find("fail(__LINE__)"), 14, "fail(-__LINE__)");
  const Result<BuildResult> result = build(pre, post, command, "debian/b/prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), (std::vector<std::string>{"debian/b/util.o", "debian/b/libx.a(x.o)"}));
}

TEST_F(DriverTest, ConfiguresAgainWhereTheFixChangesWhatConfigures) {
  // As nginx's do: rules run a script of the package's own, which writes sources from a list.
  const char *command = "test -e stamp || { sh auto/list > x.c && touch stamp; }; make";
  Files pre = make_project();
  pre["auto/list"] = "echo 'int x(int a) { return a * 6; }'\n";
  Files post = fixed(pre);
  post["auto/list"] = "echo 'int x(int a) { return a * 7; }'\n";
  const Result<BuildResult> result = build(pre, post, command, "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), (std::vector<std::string>{"util.o", "libx.a(x.o)"}));
  // And back, for the next source of the series.
  const Result<BuildResult> next = build(post, pre, command, "prog");
  ASSERT_BUILT(next);
  EXPECT_EQ(changed(next->images.at(0)), (std::vector<std::string>{"util.o", "libx.a(x.o)"}));
}

TEST_F(DriverTest, MakesTheBuildsOwnStepsAgainWithoutWhatIsAroundThem) {
  const char *rules = "echo configured >> rules-ran; printf 'all:\\n' > probe.mk; make -f probe.mk; rm probe.mk; make";
  Result<BuildResult> result = build(make_project(), fixed(make_project()), rules, "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
  EXPECT_EQ(lines_in_tree("rules-ran"), 1u);
  Files other = make_project();
  other["x.c"] = "#include \"h.h\"\nint x(int a) { return a * 4; }\n";
  result = build(make_project(), other, rules, "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"libx.a(x.o)"});
  EXPECT_EQ(lines_in_tree("rules-ran"), 1u);
}

TEST_F(DriverTest, BuildsTheWholeTreeWhereEachRunOfTheBuildCountsOn) {
  Files pre = make_project();
  pre["Makefile"] += "x.o: count.h\ncount.h: main.c util.c y.c\n"
                     "\tn=$$(cat count 2>/dev/null || echo 0); echo $$((n + 1)) > count; echo \"#define COUNT $$(cat count)\" > count.h\n";
  pre["x.c"] = "#include \"h.h\"\n#include \"count.h\"\nint build_number = COUNT;\nint x(int a) { return a * 3; }\n";
  const Result<BuildResult> result = build(pre, fixed(pre), "make", "usr/bin/prog=prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
  EXPECT_EQ(lines_in_tree("count"), 1U);
  // Another fix, of a source that the first build did not have.
  Files other = pre;
  other["y.c"] += "int further(int a) { return a + 2; }\n";
  const Result<BuildResult> second = build(other, fixed(other), "make", "usr/bin/prog=prog");
  ASSERT_BUILT(second);
  EXPECT_EQ(changed(second->images.at(0)), std::vector<std::string>{"util.o"});
}

TEST_F(DriverTest, DoesNotTakeThePartsOfALinkForStepsOfTheBuild) {
  const Files project = make_project();
  const std::string probing = "echo 'int main(void) { return 0; }' > try.c && gcc -O2 -flto=2 -o try try.c && rm try try.c && make";
  const Result<BuildResult> result = build(project, fixed(project), probing, "usr/bin/prog=prog");
  ASSERT_BUILT(result);
  size_t steps = 0;
  for (const fs::directory_entry &record : fs::directory_iterator(at("work/records/pre")))
    if (record.path().string().ends_with(".step.json")) ++steps;
  EXPECT_EQ(steps, 1U) << "make, and not what gcc calls of it";
}

TEST_F(DriverTest, LeavesNothingOfALinkInTheFolderForTemporaryFiles) {
  Files project = make_project();
  std::string &makefile = project["Makefile"];
  makefile.replace(makefile.find("CFLAGS = -O2"), 12, "CFLAGS = -flto=2 -O2");
  fs::create_directory(at("temporary"));
  const Result<BuildResult> result = build(project, fixed(project), cat("TMPDIR=", at("temporary").string(), " make"), "usr/bin/prog=prog");
  ASSERT_BUILT(result);
  EXPECT_TRUE(result->images.at(0).lto);
  EXPECT_TRUE(fs::is_empty(at("temporary")));
}

TEST_F(DriverTest, RunsTheBuildCommandAgainWhereItsStepsDoNotLinkTheImage) {
  const char *rules = "echo >> rules-ran; make main.o util.o libx.a && gcc -o prog main.o util.o -L. -lx";
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), rules, "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
  EXPECT_EQ(lines_in_tree("rules-ran"), 2u);
}

TEST_F(DriverTest, BuildsAnewWhereAStampKeepsTheImageFromBeingLinkedAgain) {
  const char *rules = "make main.o util.o libx.a && { test -e stamp || gcc -o prog main.o util.o -L. -lx; } && touch stamp";
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), rules, "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
}

TEST_F(DriverTest, DoesNotRepeatWhatTakesAwayTheBuild) {
  const char *rules = "echo >> rules-ran; make clean; make";
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), rules, "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
  EXPECT_EQ(lines_in_tree("rules-ran"), 2u);
}

TEST_F(DriverTest, GoesOnToTheFurtherCommandWhereTheBuildDoesNotLinkWhatIsWanted) {
  further_ = "echo >> installed; make prog";
  Result<BuildResult> result = build(make_project(), fixed(make_project()), "make libx.a", "prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
  EXPECT_EQ(lines_in_tree("installed"), 1u);
  Files other = make_project();  // found in the work folder to be part of the build, also where all of it is built anew
  other["x.c"] = "#include \"h.h\"\nint x(int a) { return a * 4; }\n";
  result = build(make_project(), other, "make libx.a", "prog");
  ASSERT_BUILT(result);
  EXPECT_TRUE(result->pre_reused);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"libx.a(x.o)"});
  EXPECT_TRUE(notes_.empty());
}

TEST_F(DriverTest, TellsWhenTheFurtherCommandFailsAndGoesOnWithWhatWasLinked) {
  further_ = "echo no rights; false";
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), "make prog && mv prog other", "other");
  ASSERT_BUILT(result);
  EXPECT_TRUE(notes_.empty());
  further_ = "echo no rights; false";
  const Result<BuildResult> failed = build(make_project(), fixed(make_project()), "make libx.a", "prog");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().verdict(), Verdict::refused);
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_NE(notes_[0].find("no rights"), std::string::npos);
}

constexpr const char *kLinkTrial = "\t$(CC) $(CFLAGS) -o $@ main.o util.o -L. -lx\n";

// A second program of the same objects, which nothing needs.
Files with_unused_program(const std::string &rule) {
  Files files = make_project();
  std::string &makefile = files["Makefile"];
  makefile.replace(makefile.find("all: prog"), 9, "all: prog trial");
  makefile += cat("trial: main.o util.o libx.a\n", rule);
  return files;
}

TEST_F(DriverTest, SparesTheLinkOfWhatNothingUses) {
  const Files project = with_unused_program(kLinkTrial);
  Result<BuildResult> result = build(project, fixed(project), "make", "usr/bin/prog=prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(result->post_links, 1U);
  EXPECT_EQ(result->post_links_spared, 1U);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
  EXPECT_EQ(::system(cat("test ", at("work/src/trial").string(), " -nt ", at("work/src/util.o").string()).c_str()), 0) << "make would link it again";

  result = build(project, fixed(project), "make", "usr/bin/trial=trial");
  ASSERT_BUILT(result);
  EXPECT_FALSE(result->pre_reused) << "its link is of an earlier state of the tree";
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
}

TEST_F(DriverTest, SparesTheLinkOfWhatNothingUsesWhereItFollowsToANearSource) {
  const Files project = with_unused_program(kLinkTrial);
  ASSERT_BUILT(build(project, fixed(project), "make", "usr/bin/prog=prog"));
  Files next = project;
  next["x.c"] = "#include \"h.h\"\nint x(int a) { return a * 9; }\n";
  const Result<BuildResult> result = build(next, fixed(next), "make", "usr/bin/prog=prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(result->post_links, 1U);
  EXPECT_EQ(result->post_links_spared, 1U);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
  size_t links = 0;
  for (const fs::directory_entry &record : fs::directory_iterator(at("work/records/pre"))) {
    const Result<std::string> text = read_text(record.path());
    if (record.path().string().ends_with(".link.json") && text->find("\"spared\": false") != std::string::npos && text->find("trial\"") != std::string::npos) ++links;
  }
  EXPECT_EQ(links, 1U) << "it was linked in the first build alone";
}

TEST_F(DriverTest, SparesTheLinkOfWhatARuleRemovesFirst) {
  const Files project = with_unused_program(cat("\trm -f $@\n", kLinkTrial));
  const Result<BuildResult> result = build(project, fixed(project), "make", "usr/bin/prog=prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(result->post_links_spared, 1U);
  EXPECT_EQ(::access(at("work/src/trial").c_str(), X_OK), 0);
}

TEST_F(DriverTest, LinksAgainWhatTheBuildRuns) {
  const Files project = with_unused_program(cat(kLinkTrial, "\t./trial || true\n"));
  const Result<BuildResult> result = build(project, fixed(project), "make", "usr/bin/prog=prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(result->post_links, 2U);
  EXPECT_EQ(result->post_links_spared, 0U);
}

TEST_F(DriverTest, BuildsAnewWhereOnlyTheFixedSourceRunsWhatWasSpared) {
  const Files project = with_unused_program(cat(kLinkTrial, "\tif grep -q 'return 7' util.c; then ./trial || echo $$? > code; fi\n"));
  const Result<BuildResult> result = build(project, fixed(project), "make", "usr/bin/prog=prog");
  ASSERT_BUILT(result);
  EXPECT_EQ(result->post_links, 2U);
  EXPECT_EQ(result->post_links_spared, 0U);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
}

TEST_F(DriverTest, TriesAgainWithMoreWhereThePlaceHasMore) {
  const auto build_at = [&](const char *found, int &asked) {
    write_tree(at("pre"), make_project());
    write_tree(at("post"), fixed(make_project()));
    BuildRequest request;
    request.pre_dir = at("pre");
    request.post_dir = at("post");
    request.work_dir = at("work");
    request.build_command = "[ \"$FOUND\" = all ] && make";
    request.images = {{"usr/bin/prog", "prog"}};
    request.place = BuildPlace{"/", run_process, current_environment()};
    request.place->give_more = [&asked, found]() -> Result<std::vector<std::string>> {
      if (++asked > 1) return std::vector<std::string>();
      std::vector<std::string> environment = current_environment();
      set_variable(environment, "FOUND", found);
      return environment;
    };
    return run_builds(request);
  };
  int asked = 0;
  const Result<BuildResult> missing = build_at("some", asked);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().what().find("the build command exited with status 1"), std::string::npos) << missing.error().text();
  EXPECT_EQ(asked, 1);
  asked = 0;
  const Result<BuildResult> result = build_at("all", asked);
  ASSERT_BUILT(result);
  EXPECT_EQ(changed(result->images.at(0)), std::vector<std::string>{"util.o"});
  EXPECT_EQ(asked, 1);
}

TEST_F(DriverTest, RefusesAnImageThatTheBuildDoesNotMake) {
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), "make", "usr/bin/other");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().verdict(), Verdict::refused);
  EXPECT_NE(result.error().what().find("no file named other; it links prog"), std::string::npos)
      << result.error().text();
}

TEST_F(DriverTest, TellsWhatOfAFixNoCompilationReads) {
  Files pre = make_project(), post = fixed(make_project());
  for (const char *name : {"win/util.c", "tests/util_test.c", "notes.txt"}) {
    pre[name] = "int other(void) { return 1; }\n";
    post[name] = "int other(void) { return 2; }\n";
  }
  pre["gone.h"] = "int gone(void);\n";
  post["new.c"] = "int unused(void) { return 3; }\n";
  const Result<BuildResult> result = build(pre, post, "make", "usr/bin/prog=prog");
  ASSERT_BUILT(result);
  // win/util.c may have been compiled as util.c, by its name.
  EXPECT_EQ(result->unread, (std::vector<std::string>{"gone.h", "new.c"}));
}

TEST_F(DriverTest, RefusesEqualTrees) {
  const Result<BuildResult> result = build(make_project(), make_project(), "make", "prog");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().verdict(), Verdict::refused);
}

TEST_F(DriverTest, RefusesAFolderThatIsNotItsOwn) {
  write_tree(at("work"), {{"precious", "data"}});
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), "make", "prog");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().verdict(), Verdict::refused);
  EXPECT_TRUE(fs::exists(at("work/precious")));
}

TEST_F(DriverTest, ShowsTheEndOfTheLogWhenTheBuildFails) {
  const Result<BuildResult> result = build(make_project(), fixed(make_project()), "echo the cause; exit 3", "prog");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().verdict(), Verdict::failed);
  EXPECT_NE(result.error().what().find("exited with status 3"), std::string::npos);
  EXPECT_NE(result.error().what().find("the cause"), std::string::npos);
}

}  // namespace
}  // namespace suture
