// Compiles a small program with every compiler and DWARF version that is there, and asks whose its static locals are.
#include "build/static_locals.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "base/cat.h"
#include "base/file.h"
#include "elf/read_object.h"

namespace suture {
namespace {

constexpr const char *kSource = R"(
static inline __attribute__((always_inline)) int inlined(int by) { static int seen = 1; return seen += by; }
__attribute__((noinline)) static int kept(int by) { static int seen = 2; static __thread int own = 3; { static int seen = 4; seen += by; } return seen += by + own++; }
int both(int by) { static int seen; static int only = 5; return inlined(by) + kept(by) + (seen += by) + only++; }
)";

// Initial value of each variable that has one -> its function.
std::map<int, std::string> owners(const ObjectGraph &graph) {
  std::map<int, std::string> out;
  for (const ObjectSection &section : graph.sections)
    if (section.is_variable() && section.size_bytes == 4) out[section.is_bss() ? 0 : section.bytes.at(0)] = section.owner;
  return out;
}

class StaticLocals : public testing::TestWithParam<const char *> {};

TEST_P(StaticLocals, BelongToTheFunctionsThatDeclareThem) {
  const std::string command = GetParam();
  if (std::system(cat("command -v ", command.substr(0, command.find(' ')), " >/dev/null 2>&1").c_str()) != 0) GTEST_SKIP() << command << " is not here";
  const auto folder = TempDir::create("suture-statics");
  ASSERT_TRUE(folder);
  const auto source = folder->path() / "a.c", object = folder->path() / "a.o";
  ASSERT_TRUE(write_file_atomic(source, as_bytes(std::string(kSource))));
  const std::string line = cat(command, " -fdata-sections -ffunction-sections -c ", source.string(), " -o ", object.string());
  ASSERT_EQ(std::system(line.c_str()), 0) << line;
  const auto bytes = read_file(object);
  ASSERT_TRUE(bytes);
  auto graph = read_elf_object(*bytes, "a.o");
  ASSERT_TRUE(graph) << graph.error().text();
  ASSERT_TRUE(find_owners(object, *graph));
  std::map<int, std::string> expected = {{0, "both"}, {1, "inlined"}, {2, "kept"}, {3, "kept"}, {4, "kept"}, {5, "both"}};
  // clang 14 describes those of functions that are compiled into others in an entry without a name; its symbols hold the function's name.
  if (command.starts_with("clang")) expected[1].clear();
  if (command.find("-g0") != std::string::npos)
    for (auto &[value, owner] : expected) owner.clear();
  EXPECT_EQ(owners(*graph), expected);
}

INSTANTIATE_TEST_SUITE_P(Compiler, StaticLocals,
                         testing::Values("gcc -g -O0", "gcc -g -O2", "gcc -gdwarf-4 -O2 -gz", "gcc -gdwarf-3 -O3 -fPIC", "clang -gdwarf-4 -O1", "clang -gdwarf-4 -O0", "clang -gdwarf-5 -O2 -fPIC", "gcc -g0 -O2"));

}  // namespace
}  // namespace suture
