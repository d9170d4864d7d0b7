// Compiles small programs before and after a change, with every compiler and DWARF version that is there, and compares.
#include "build/dwarf_types.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/cat.h"
#include "base/file.h"

namespace suture {
namespace {

struct Flavor {
  std::string c, cxx, flags;
};

std::vector<Flavor> flavors() {
  std::vector<Flavor> out = {{"gcc", "g++", "-gdwarf-4"}, {"gcc", "g++", "-gdwarf-5 -gz -O2"}};
  if (std::system("command -v clang++ >/dev/null 2>&1") == 0) {
    out.push_back({"clang", "clang++", "-gdwarf-4 -O1"});
    out.push_back({"clang", "clang++", "-gdwarf-5"});
  }
  return out;
}

class TypeComparison : public testing::Test {
 protected:
  void SetUp() override {
    auto made = TempDir::create("suture-types");
    ASSERT_TRUE(made);
    folder_.emplace(std::move(*made));
  }

  std::filesystem::path compile(const std::string &compiler, const std::string &flags, const std::string &suffix, const std::string &stem, const std::string &text) {
    const auto source = folder_->path() / (stem + suffix);
    const auto object = folder_->path() / (stem + ".o");
    EXPECT_TRUE(write_file_atomic(source, as_bytes(text)));
    const std::string command = cat(compiler, " ", flags, " -w -c ", source.string(), " -o ", object.string());
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return object;
  }
  TypeReport compare(const std::filesystem::path &pre, const std::filesystem::path &post) {
    auto report = compare_types({{"a.o", pre, post}});
    EXPECT_TRUE(report) << report.error().text();
    return report ? *report : TypeReport{};
  }
  // The reports of all flavors must agree with what `check` says.
  template <typename Check>
  void each_c(const std::string &pre, const std::string &post, const Check &check) {
    for (const Flavor &f : flavors()) {
      SCOPED_TRACE(cat(f.c, " ", f.flags));
      check(compare(compile(f.c, f.flags, ".c", "pre", pre), compile(f.c, f.flags, ".c", "post", post)));
    }
  }
  template <typename Check>
  void each_cxx(const std::string &pre, const std::string &post, const Check &check) {
    for (const Flavor &f : flavors()) {
      SCOPED_TRACE(cat(f.cxx, " ", f.flags));
      check(compare(compile(f.cxx, f.flags, ".cc", "pre", pre), compile(f.cxx, f.flags, ".cc", "post", post)));
    }
  }

  std::optional<TempDir> folder_;
};

std::string names(const TypeReport &report) {
  std::vector<std::string> all;
  for (const LayoutChange &change : report.layouts) all.push_back(cat(change.keyword, " ", change.type));
  std::sort(all.begin(), all.end());
  std::string text;
  for (const std::string &name : all) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string detail(const TypeReport &report, const std::string &type) {
  for (const LayoutChange &change : report.layouts)
    if (change.type == type) return change.detail;
  return {};
}

bool says(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

TEST_F(TypeComparison, TellsSizeNewFieldAndMovedFieldOfAStructThatGrows) {
  each_c("struct client { int id; char *name; }; struct client c;", "struct client { int id; int db; long when; char *name; }; struct client c;",
         [](const TypeReport &report) {
           ASSERT_EQ(names(report), "struct client");
           const std::string text = detail(report, "client");
           EXPECT_TRUE(says(text, "struct client: size 16 -> 24 bytes")) << text;
           EXPECT_TRUE(says(text, "field db (int) new at 4")) << text;
           EXPECT_TRUE(says(text, "field name moved 8 -> 16")) << text;
         });
}

TEST_F(TypeComparison, SaysNothingOfCommentsLinesNamesOfParametersAndNewTypes) {
  each_c("struct a { int x; }; struct a v; int f(int p) { return p + v.x; }",
         "/* moved */\n\n\nstruct fresh { long l; } w;\nstruct a { int x; /* c */ }; struct a v; int f(int q) { return q + v.x + 1; }", [](const TypeReport &report) {
           EXPECT_EQ(names(report), "");
           EXPECT_TRUE(report.signatures.empty());
           EXPECT_TRUE(report.notes.empty());
         });
}

TEST_F(TypeComparison, ReportsAFieldPutIntoPaddingAlthoughTheSizeStays) {
  each_c("struct p { char c; long l; } v;", "struct p { char c; int hidden; long l; } v;",
         [](const TypeReport &report) { EXPECT_EQ(detail(report, "p").substr(0, 40), "struct p: field hidden (int) new at 4; s"); });
}

TEST_F(TypeComparison, ReportsBitFieldsThatGrowOrMove) {
  each_c("struct b { unsigned lo:3, hi:5; } v;", "struct b { unsigned lo:4, hi:4; } v;", [](const TypeReport &report) {
    const std::string text = detail(report, "b");
    EXPECT_TRUE(says(text, "field lo 3 -> 4 bits")) << text;
    EXPECT_TRUE(says(text, "field hi moved 0 bit 3 -> 0 bit 4")) << text;
  });
}

TEST_F(TypeComparison, ReportsArrayBounds) {
  each_c("struct s { char name[16]; } v;", "struct s { char name[32]; } v;",
         [](const TypeReport &report) { EXPECT_TRUE(says(detail(report, "s"), "field name was char[16], is char[32]")); });
}

TEST_F(TypeComparison, AppendedEnumeratorsAreFineButMovedOnesAreNot) {
  each_c("enum e { A, B } v;", "enum e { A, B, C } v;", [](const TypeReport &report) { EXPECT_EQ(names(report), ""); });
  each_c("enum e { A, B } v;", "enum e { A, X, B } v;", [](const TypeReport &report) { EXPECT_EQ(detail(report, "e").substr(0, 18), "enum e: B = 1 -> 2"); });
}

TEST_F(TypeComparison, NotesAnEnumeratorThatIsGone) {
  each_c("enum e { A, B } v;", "enum e { A } v;", [](const TypeReport &report) {
    EXPECT_EQ(names(report), "");
    ASSERT_EQ(report.notes.size(), 1u);
    EXPECT_EQ(report.notes[0], "enum e: enumerator B = 1 is gone");
  });
}

TEST_F(TypeComparison, AnUnnamedStructGoesByItsTypedefOrItsVariable) {
  each_c("typedef struct { int x; } by_typedef; by_typedef v; static struct { int y; } by_variable; int f(void) { return by_variable.y; }",
         "typedef struct { long x; } by_typedef; by_typedef v; static struct { long y; } by_variable; int f(void) { return by_variable.y; }",
         [](const TypeReport &report) { EXPECT_EQ(names(report), "struct by_typedef, struct by_variable"); });
}

TEST_F(TypeComparison, MembersOfUnnamedAggregatesAreTheOuterTypes) {
  each_c("struct s { union { int u; } in; struct { short a; } slots[4]; } v;", "struct s { union { long u; } in; struct { short a, b; } slots[4]; } v;",
         [](const TypeReport &report) {
           const std::string text = detail(report, "s");
           EXPECT_TRUE(says(text, "field in.u was int, is long")) << text;
           EXPECT_TRUE(says(text, "field slots[].b (short")) << text;
         });
}

TEST_F(TypeComparison, AFurtherReadingOfAUnionsBytesIsFine) {
  each_c("union u { long l; } v;", "union u { long l; char c[8]; } v;", [](const TypeReport &report) { EXPECT_EQ(names(report), ""); });
}

TEST_F(TypeComparison, TheOuterTypeSaysThatTheInnerOneChanged) {
  each_c("struct in { int a; }; struct out { struct in i; int tail; } v;", "struct in { int a, b; }; struct out { struct in i; int tail; } v;",
         [](const TypeReport &report) {
           EXPECT_EQ(names(report), "struct in, struct out");
           EXPECT_TRUE(says(detail(report, "out"), "field i 4 -> 8 bytes, for its type struct in changed"));
         });
}

TEST_F(TypeComparison, ADeclarationInOneBuildIsNoChange) {
  each_c("struct f; struct f *p;", "struct f { int x; }; struct f *p; int g(void) { return p->x; }", [](const TypeReport &report) { EXPECT_EQ(names(report), ""); });
}

TEST_F(TypeComparison, ReportsAPointerToAnotherTypeAndAFunctionPointerCalledInAnotherWay) {
  each_c("struct a; struct b; struct s { struct a *p; int (*call)(int); void *any; } v;", "struct a; struct b; struct s { struct b *p; int (*call)(int, long); struct a *any; } v;",
         [](const TypeReport &report) {
           const std::string text = detail(report, "s");
           EXPECT_TRUE(says(text, "field p pointed to another type: was struct a *, is struct b *")) << text;
           EXPECT_TRUE(says(text, "field call pointed to another type: was int (*)(int), is int (*)(int, long")) << text;
           EXPECT_FALSE(says(text, "any")) << text;
         });
}

TEST_F(TypeComparison, ARenamedFieldIsOnlyNoted) {
  each_c("struct s { int reserved; } v;", "struct s { int flags; } v;", [](const TypeReport &report) {
    EXPECT_EQ(names(report), "");
    ASSERT_EQ(report.notes.size(), 1u);
    EXPECT_EQ(report.notes[0], "struct s: field reserved is now called flags");
  });
}

TEST_F(TypeComparison, TypesLocalToAFunctionAreNoHazard) {
  each_c("int f(int x) { struct local { int a; } l = {x}; return l.a; }", "int f(int x) { struct local { long a; } l = {x}; return l.a; }",
         [](const TypeReport &report) { EXPECT_EQ(names(report), ""); });
}

TEST_F(TypeComparison, NamesCxxTypesWithTheirScopesAndTemplateArguments) {
  const std::string text = "namespace n { struct outer { struct inner { T x; } i; }; template <typename U> struct box { U v; T w; }; }\nn::outer o; n::box<int> b;";
  each_cxx("typedef int T;\n" + text, "typedef long T;\n" + text,
           [](const TypeReport &report) { EXPECT_EQ(names(report), "struct n::box<int>, struct n::outer, struct n::outer::inner"); });
}

TEST_F(TypeComparison, StaticMembersAndMemberFunctionsAreNoPartOfTheLayout) {
  each_cxx("struct s { int x; int get() { return x; } }; s v; int f() { return v.get(); }",
           "struct s { int x; static int count; int get() { return x; } int twice() { return 2 * x; } }; s v; int f() { return v.get() + v.twice(); }",
           [](const TypeReport &report) { EXPECT_EQ(names(report), ""); });
}

TEST_F(TypeComparison, ReportsVirtualFunctionsThatMove) {
  each_cxx("struct s { virtual int a(); virtual int b(); }; int s::a() { return 1; } int s::b() { return 2; } s v;",
           "struct s { virtual int a(); virtual int c(); virtual int b(); }; int s::a() { return 1; } int s::c() { return 3; } int s::b() { return 2; } s v;",
           [](const TypeReport &report) {
             const std::string text = detail(report, "s");
             EXPECT_TRUE(says(text, "virtual function _ZN1s1cEv new in slot 1")) << text;
             EXPECT_TRUE(says(text, "virtual function _ZN1s1bEv moved from slot 1 to 2")) << text;
           });
}

TEST_F(TypeComparison, ReportsAParameterMoreAndOnePassedInAnotherWay) {
  each_c("int f(int a) { return a; } static int __attribute__((noinline,used)) g(int a) { return a; }",
         "int f(int a, char *b) { return a + *b; } static int __attribute__((noinline,used)) g(double a) { return (int)a; }", [](const TypeReport &report) {
           ASSERT_EQ(report.signatures.size(), 2u);
           EXPECT_EQ(report.signatures[0].function, "f");
           EXPECT_EQ(report.signatures[0].detail, "2 parameters instead of 1; was int (int), is int (int, char *)");
           EXPECT_TRUE(report.signatures[0].external);
           EXPECT_EQ(report.signatures[1].detail, "parameter 1 is passed in another way; was int (int), is int (double)");
           EXPECT_FALSE(report.signatures[1].external);
         });
}

TEST_F(TypeComparison, NotesAnIntegerThatBecomesAPointer) {
  each_c("long f(long a) { return a; }", "long f(void *a) { return (long)a; }", [](const TypeReport &report) {
    EXPECT_TRUE(report.signatures.empty());
    EXPECT_EQ(report.notes.size(), 1u);
  });
}

TEST_F(TypeComparison, TellsAStructPassedInRegistersFromOneInMemory) {
  each_c("struct s { long a, b; }; long f(struct s v) { return v.a; }", "struct s { long a, b, c; }; long f(struct s v) { return v.a; }", [](const TypeReport &report) {
    ASSERT_EQ(report.signatures.size(), 1u);
    EXPECT_TRUE(says(report.signatures[0].detail, "parameter 1 is passed in another way"));
  });
}

TEST_F(TypeComparison, TheSameChangeInSeveralObjectsIsOneChange) {
  const auto pre = compile("gcc", "-g", ".c", "pre", "struct s { int x; } v;");
  const auto post = compile("gcc", "-g", ".c", "post", "struct s { long x; } v;");
  const auto report = compare_types({{"a.o", pre, post}, {"b.o", pre, post}});
  ASSERT_TRUE(report);
  ASSERT_EQ(report->layouts.size(), 1u);
  EXPECT_EQ(report->layouts[0].objects, (std::vector<std::string>{"a.o", "b.o"}));
  EXPECT_TRUE(report->layouts[0].declared_at.ends_with("post.c:1")) << report->layouts[0].declared_at;
}

// A function that stores closures; `body` is what it does.
std::string maker(const std::string &body) {
  return cat("struct any {\n"
             "  template <class F> static int run(void *held, int v) { return (*static_cast<F *>(held))(v); }\n"
             "  template <class F> any(F f) : held(new F(f)), call(&run<F>) {}\n"
             "  void *held;\n"
             "  int (*call)(void *, int);\n"
             "};\n"
             "void stored(any &);\n"
             "any make(int by, long more) { ", body, " }\n");
}

TEST_F(TypeComparison, TellsACaptureThatAStoredClosureDoesNotHave) {
  each_cxx(maker("return [by](int v) { return v + by; };"), maker("return [by, more](int v) { return v + by + more; };"), [](const TypeReport &report) {
    ASSERT_EQ(names(report), "local _Z4makeil::{closures}");
    EXPECT_TRUE(says(report.layouts[0].detail, "what they hold changed")) << report.layouts[0].detail;
    EXPECT_EQ(report.layouts[0].function, "_Z4makeil");
  });
}

TEST_F(TypeComparison, TellsCapturesThatChangedPlaces) {
  each_cxx(maker("any a = [by](int v) { return v + by; };\nstored(a); return [more](int v) { return v + more; };"),
           maker("any a = [more](int v) { return v + more; };\nstored(a); return [by](int v) { return v + by; };"),
           [](const TypeReport &report) { EXPECT_EQ(names(report), "local _Z4makeil::{closures}"); });
}

TEST_F(TypeComparison, SaysNothingOfAClosureThatIsNewAmongOthers) {
  each_cxx(maker("return [by](int v) { return v + by; };"), maker("any a = [more](int v) { return v + more; }; return [by](int v) { return v + by + 1; };"),
           [](const TypeReport &report) { EXPECT_EQ(names(report), ""); });
}

TEST_F(TypeComparison, TellsAFieldOfAClassThatIsLocalToAFunction) {
  each_cxx(maker("struct kept { int x; int operator()(int v) { return v + x; } }; return kept{by};"),
           maker("struct kept { long y; int x; int operator()(int v) { return v + x; } }; return kept{more, by};"),
           [](const TypeReport &report) { EXPECT_EQ(names(report), "local _Z4makeil::kept"); });
}

TEST_F(TypeComparison, NotesAnObjectWithoutDebuggingInformation) {
  const TypeReport report = compare(compile("gcc", "-g0", ".c", "pre", "int x;"), compile("gcc", "-g0", ".c", "post", "long x;"));
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_TRUE(says(report.notes[0], "a.o: has no debugging information")) << report.notes[0];
  EXPECT_EQ(names(report), "");
}

TEST_F(TypeComparison, AnObjectThatCannotBeReadIsAHazardOfItsOwn) {
  const auto pre = compile("gcc", "-g", ".c", "pre", "struct s { int x; } v;");
  const auto post = folder_->path() / "post.o";
  ASSERT_TRUE(write_file_atomic(post, as_bytes("not an object")));
  EXPECT_EQ(names(compare(pre, post)), "object a.o");
}

TEST_F(TypeComparison, SurvivesDebuggingInformationThatIsDamagedAnywhere) {
  const auto pre = compile("gcc", "-g", ".c", "pre", "struct s { int x; struct s *next; } v; int f(struct s *p) { return p->x; }");
  const auto bytes = read_file(pre);
  ASSERT_TRUE(bytes);
  const auto damaged = folder_->path() / "damaged.o";
  for (size_t at = 0x40; at < bytes->size(); at += 61) {
    Bytes copy = *bytes;
    copy[at] = static_cast<uint8_t>(copy[at] ^ 0xff);
    ASSERT_TRUE(write_file_atomic(damaged, copy));
    EXPECT_TRUE(compare_types({{"a.o", pre, damaged}})) << "byte " << at;
  }
}

}  // namespace
}  // namespace suture
