#include "pipeline/which_link.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "base/cat.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

// Two flavours of a program, of one source: `-DFLAVOUR=N` decides what differs.
class WhichLink : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/suture-which-link.XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  void run(const std::string &command) { ASSERT_EQ(::system(cat("cd ", folder_.string(), " && ", command).c_str()), 0) << command; }

  LinkedOutput link(const std::string &name, int flavour, const std::string &pre, const std::string &post) {
    ObjectPair pair;
    pair.name = cat(name, ".o");
    pair.pre = compile(cat(name, "-pre"), flavour, pre);
    pair.post = compile(cat(name, "-post"), flavour, post);
    pair.changed = pre != post;
    LinkedOutput output;
    output.output_path = name;
    output.objects = [pair]() -> Result<std::vector<ObjectPair>> { return std::vector{pair}; };
    return output;
  }

  // As shipped: without sections for each function, and stripped.
  fs::path ship(int flavour, const std::string &text) {
    std::ofstream(folder_ / "shipped.c") << text;
    run(cat("gcc -O2 -DFLAVOUR=", flavour, " -o shipped shipped.c && strip shipped"));
    return folder_ / "shipped";
  }

 private:
  fs::path compile(const std::string &name, int flavour, const std::string &text) {
    std::ofstream(folder_ / cat(name, ".c")) << text;
    run(cat("gcc -O2 -g -ffunction-sections -fdata-sections -DFLAVOUR=", flavour, " -c ", name, ".c"));
    return folder_ / cat(name, ".o");
  }

  fs::path folder_;
};

std::string program(const std::string &answer, const std::string &flavoured) {
  return cat("#include <stdio.h>\n#include <stdlib.h>\n"
             "__attribute__((noinline)) static int answer(int n) { for (int i = 0; i < n; ++i) if (rand() % 7 == ", answer, ") return i * 3; return -n; }\n"
             "__attribute__((noinline)) static void tell(const char *what) { ", flavoured, " printf(\"%s %d\\n\", what, answer(5)); }\n"
             "int main(int argc, char **argv) { tell(argv[argc - 1]); return answer(argc); }\n");
}

TEST_F(WhichLink, IsTheOneWhoseCodeTheFileHas) {
  const std::string pre = program("3", "if (FLAVOUR == 2) puts(what);"), post = program("4", "if (FLAVOUR == 2) puts(what);");
  const LinkedOutput one = link("one", 1, pre, post), two = link("two", 2, pre, post);
  for (const int flavour : {1, 2}) {
    const auto which = which_link(ship(flavour, pre), {&one, &two});
    ASSERT_TRUE(which) << which.error().text();
    ASSERT_TRUE(which->has_value());
    EXPECT_EQ(**which, static_cast<size_t>(flavour - 1));
  }
}

TEST_F(WhichLink, IsAnyOfThoseWithTheSameCode) {
  const std::string pre = program("3", ""), post = program("4", "");
  const LinkedOutput one = link("one", 1, pre, post), two = link("two", 2, pre, post);
  const auto which = which_link(ship(1, pre), {&one, &two});
  ASSERT_TRUE(which) << which.error().text();
  EXPECT_EQ(*which, std::optional<size_t>(0));
}

TEST_F(WhichLink, IsNoneWhereTheFixMakesThemDifferent) {
  const std::string pre = program("3", ""), post = program("4", "if (FLAVOUR == 2) puts(what);");
  const LinkedOutput one = link("one", 1, pre, post), two = link("two", 2, pre, post);
  const auto which = which_link(ship(1, pre), {&one, &two});
  ASSERT_TRUE(which) << which.error().text();
  EXPECT_EQ(*which, std::nullopt);
}

}  // namespace
}  // namespace suture
