#include "build/cc_args.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/cat.h"
#include "base/file.h"

namespace suture {
namespace {

using Words = std::vector<std::string>;

TEST(CcArgs, NamesTheObjectAfterTheSourceWhenTheCommandDoesNot) {
  const CcCommand command = parse_cc_command({"-O2", "-c", "../lib/util.c"});
  EXPECT_EQ(command.step, CcStep::object);
  EXPECT_EQ(command.object_path(), "util.o");
  EXPECT_EQ(command.sources(), Words{"../lib/util.c"});
}

TEST(CcArgs, TakesTheOutputJoinedAndApart) {
  EXPECT_EQ(parse_cc_command({"-c", "a.c", "-o", "b.o"}).object_path(), "b.o");
  EXPECT_EQ(parse_cc_command({"-c", "a.c", "-ob.o"}).object_path(), "b.o");
}

TEST(CcArgs, DoesNotTakeTheValueOfAnOptionForAnInput) {
  const CcCommand command = parse_cc_command({"-include", "config.c", "-I", "x.c", "-MF", "d.c", "-MT", "t.c",
                                              "-Xlinker", "l.c", "--param", "p.c", "-c", "a.c"});
  EXPECT_EQ(command.sources(), Words{"a.c"});
  EXPECT_EQ(command.dependency_file, "d.c");
}

TEST(CcArgs, TellsSourcesFromObjectsWhenItCompilesAndLinks) {
  const CcCommand command = parse_cc_command({"a.c", "b.o", "libx.a", "c.cpp", "-lz", "-o", "x"});
  EXPECT_EQ(command.step, CcStep::link);
  EXPECT_EQ(command.sources(), (Words{"a.c", "c.cpp"}));
  EXPECT_EQ(command.inputs.size(), 4u);
}

TEST(CcArgs, FollowsTheLanguageOptionForTheInputsBehindIt) {
  const CcCommand command =
      parse_cc_command({"-x", "c", "a.txt", "-xnone", "b.o", "-x", "c-header", "h", "-xassembler-with-cpp", "s"});
  EXPECT_EQ(command.inputs[0].kind, InputKind::source);
  EXPECT_EQ(command.inputs[1].kind, InputKind::linked);
  EXPECT_EQ(command.inputs[2].kind, InputKind::header);
  EXPECT_EQ(command.inputs[3].kind, InputKind::assembler);
}

TEST(CcArgs, TakesADashForStandardInput) {
  const CcCommand command = parse_cc_command({"-xc", "-c", "-", "-o", "/dev/null"});
  EXPECT_EQ(command.sources(), Words{"-"});
}

TEST(CcArgs, StopsAtTheEarliestStepNamed) {
  EXPECT_EQ(parse_cc_command({"-c", "-E", "a.c"}).step, CcStep::preprocess);
  EXPECT_EQ(parse_cc_command({"-MM", "a.c"}).step, CcStep::preprocess);
  EXPECT_EQ(parse_cc_command({"-c", "-S", "a.c"}).step, CcStep::assembly);
  EXPECT_EQ(parse_cc_command({"-fsyntax-only", "-c", "a.c"}).step, CcStep::syntax_only);
}

TEST(CcArgs, SeesThatAQuestionToTheCompilerCompilesNothing) {
  EXPECT_EQ(parse_cc_command({"--version"}).step, CcStep::none);
  EXPECT_EQ(parse_cc_command({"-v"}).step, CcStep::none);
  EXPECT_EQ(parse_cc_command({"-print-prog-name=ld"}).step, CcStep::none);
  EXPECT_EQ(parse_cc_command({"-###", "a.c"}).step, CcStep::none);
  EXPECT_TRUE(parse_cc_command({"-cc1", "-emit-obj", "a.c"}).cc1);
}

TEST(CcArgs, FindsTheDependencyFileInAllItsSpellings) {
  EXPECT_EQ(parse_cc_command({"-MD", "-c", "src/a.c", "-o", "out/a.o"}).dependency_path(), "out/a.d");
  EXPECT_EQ(parse_cc_command({"-MMD", "-c", "src/a.c"}).dependency_path(), "a.d");
  EXPECT_EQ(parse_cc_command({"-MD", "-MFx.d", "-c", "a.c"}).dependency_path(), "x.d");
  const CcCommand kernel = parse_cc_command({"-Wp,-MMD,.a.o.d", "-c", "a.c", "-o", "a.o"});
  EXPECT_TRUE(kernel.writes_dependencies);
  EXPECT_TRUE(kernel.skips_system_headers);
  EXPECT_EQ(kernel.dependency_path(), ".a.o.d");
}

TEST(CcArgs, SeesLinkTimeOptimisationUnlessItIsTakenBack) {
  EXPECT_TRUE(parse_cc_command({"-flto=auto", "-c", "a.c"}).lto);
  EXPECT_FALSE(parse_cc_command({"-flto", "-fno-lto", "-c", "a.c"}).lto);
}

TEST(CcArgs, SplitsResponseFilesWithTheirQuotes) {
  EXPECT_EQ(split_response_text("-DA='x y' \"b c\"\\ d\n\t-I\\\"q ''"), (Words{"-DA=x y", "b c d", "-I\"q", ""}));
}

TEST(CcArgs, ExpandsResponseFilesWithinResponseFiles) {
  const Result<TempDir> folder = TempDir::create("cc-args");
  ASSERT_TRUE(folder);
  const std::string inner = (folder->path() / "inner").string(), outer = (folder->path() / "outer").string();
  ASSERT_TRUE(write_file_atomic(inner, as_bytes("-c a.c")));
  ASSERT_TRUE(write_file_atomic(outer, as_bytes(cat("-O2 @", inner))));
  EXPECT_EQ(expand_response_files({"@" + outer, "-g", "@missing"}), (Words{"-O2", "-c", "a.c", "-g", "@missing"}));
}

TEST(CcArgs, EndsTheExpansionOfAResponseFileThatNamesItself) {
  const Result<TempDir> folder = TempDir::create("cc-args");
  ASSERT_TRUE(folder);
  const std::string self = (folder->path() / "self").string();
  ASSERT_TRUE(write_file_atomic(self, as_bytes(cat("-g @", self))));
  EXPECT_LT(expand_response_files({"@" + self}).size(), 100u);
}

TEST(CcArgs, KnowsTheProbesOfConfigureScripts) {
  EXPECT_TRUE(is_probe("/b", parse_cc_command({"-c", "conftest.c"})));
  EXPECT_TRUE(is_probe("/b/CMakeFiles/CMakeTmp", parse_cc_command({"-c", "/b/CMakeFiles/CMakeTmp/testCCompiler.c"})));
  EXPECT_TRUE(is_probe("/b", parse_cc_command({"/b/meson-private/tmpx/testfile.c", "-o", "x"})));
  EXPECT_FALSE(is_probe("/b", parse_cc_command({"-c", "test.c"})));
}

}  // namespace
}  // namespace suture
