// Graphs of small objects, compiled here by each compiler that is there.
#include "build/type_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/cat.h"
#include "base/file.h"

namespace suture {
namespace {

constexpr const char *kSource = R"(
#include <stdint.h>
struct inner { int a; };
struct outer { struct inner in; struct outer *next; };
struct bag { char room[64]; };
struct holder { uintptr_t word; };
union either { char *text; struct inner *in; };
struct inner *kept;
static struct bag pool;
void *get(void);
int count(int);
int uses_values(int n) { struct outer o = {{n}, 0}; return count(o.in.a); }
int uses_pointer(struct outer *o) { return o->next->in.a + count(pool.room[o->in.a]); }
int uses_anything(void) { struct inner *i = get(); return i->a; }
int uses_word(struct holder h) { return (int)h.word; }
int keeps(void) { static struct inner mine; return ++mine.a; }
)";

class Graph : public testing::TestWithParam<const char *> {
 protected:
  void SetUp() override {
    if (std::system(cat("command -v ", GetParam(), " >/dev/null 2>&1").c_str()) != 0)
      GTEST_SKIP() << GetParam() << " is not installed";
    auto made = TempDir::create("suture-graph");
    ASSERT_TRUE(made);
    const std::string base = (made->path() / "a").string();
    ASSERT_TRUE(write_file_atomic(base + ".c", as_bytes(kSource)));
    ASSERT_EQ(std::system(cat(GetParam(), " -g -O2 -c ", base, ".c -o ", base, ".o").c_str()), 0);
    auto read = read_type_graph({{"of no tree", {}}, {"a.o", base + ".o"}});
    ASSERT_TRUE(read) << read.error().text();
    graph_ = std::move(*read);
  }

  const FunctionNode &function(const std::string &name) const {
    static const FunctionNode none;
    const auto found = std::find_if(graph_.functions.begin(), graph_.functions.end(),
                                    [&](const FunctionNode &node) { return node.name == name; });
    return found == graph_.functions.end() ? none : *found;
  }
  const VariableNode &variable(const std::string &name) const {
    static const VariableNode none;
    const auto found = std::find_if(graph_.variables.begin(), graph_.variables.end(),
                                    [&](const VariableNode &node) { return node.name == name; });
    return found == graph_.variables.end() ? none : *found;
  }

  TypeGraph graph_;
};

TEST_P(Graph, TellsWhatTypesHoldAndPointTo) {
  EXPECT_TRUE(graph_.unread.empty());
  const TypeNode &outer = graph_.types["outer"];
  EXPECT_EQ(outer.size_bytes, 16u);
  EXPECT_TRUE(outer.members.values.contains("inner"));
  EXPECT_TRUE(outer.members.pointers.contains("outer"));
  EXPECT_FALSE(outer.members.untyped || outer.members.raw);
  EXPECT_EQ(outer.objects, std::set<uint32_t>{1});
}

TEST_P(Graph, TakesCharactersAndIntegersForPointersForWhatTheyMayBe) {
  EXPECT_TRUE(graph_.types["bag"].members.raw);
  EXPECT_TRUE(graph_.types["holder"].members.untyped);
}

TEST_P(Graph, TellsWhatFunctionsHaveInHand) {
  EXPECT_TRUE(function("uses_values").locals.values.contains("outer"));
  EXPECT_FALSE(function("uses_values").parameters.untyped || function("uses_values").locals.untyped);
  EXPECT_TRUE(function("uses_pointer").parameters.pointers.contains("outer"));
  EXPECT_TRUE(function("uses_anything").locals.pointers.contains("inner"));
}

TEST_P(Graph, TellsVariablesAlsoThoseWithinFunctions) {
  EXPECT_TRUE(variable("kept").type.pointers.contains("inner"));
  EXPECT_TRUE(variable("mine").type.values.contains("inner"));
  EXPECT_TRUE(variable("pool").type.values.contains("bag"));
}

TEST_P(Graph, TellsOfCalledFunctionsWhetherTheyGivePointers) {
  ASSERT_TRUE(graph_.callees.contains("get"));
  EXPECT_TRUE(graph_.callees["get"].gives_pointer);
  ASSERT_TRUE(graph_.callees.contains("count"));
  EXPECT_FALSE(graph_.callees["count"].gives_pointer);
}

INSTANTIATE_TEST_SUITE_P(Compiler, Graph, testing::Values("gcc", "clang"),
                         [](const auto &found) { return std::string(found.param); });

TEST(TypeGraph, NamesObjectsWithoutDebuggingInformation) {
  const auto folder = TempDir::create("suture-graph");
  ASSERT_TRUE(folder);
  const std::string base = (folder->path() / "a").string();
  ASSERT_TRUE(write_file_atomic(base + ".c", as_bytes("int a;\n")));
  ASSERT_EQ(std::system(cat("cc -g0 -c ", base, ".c -o ", base, ".o").c_str()), 0);
  const auto graph = read_type_graph({{"a.o", base + ".o"}});
  ASSERT_TRUE(graph) << graph.error().text();
  ASSERT_EQ(graph->unread.size(), 1u);
  EXPECT_NE(graph->unread[0].find("no debugging information"), std::string::npos) << graph->unread[0];
}

}  // namespace
}  // namespace suture
