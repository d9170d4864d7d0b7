// Coldpatches of real programs, built here with the system's compiler, run under the system's loader.
#include "elf/cold_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "elf/link_for_test.h"

namespace suture {
namespace {

using testing_link::HotLinker;
using testing_link::must;
using testing_link::Old;
using testing_link::run;

// Every kind of fixup in one function: calls and data of the base, tables of the patch, imports that the base has and
// ones that it lacks.
constexpr const char *kProgram = R"(
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int counter = 7;
static int untouched = 3;
__attribute__((noinline)) int helper(int x) { return x * 2 + untouched; }
__attribute__((noinline, noipa)) int answer(int x) { return helper(x) + counter; }
int main(int argc, char **argv) {
  char *heap = malloc(100000);
  memset(heap, argc, 100000);
  printf("answer %d\n", answer(argc + (int)strlen(argv[0]) * 0));
  free(heap);
  return 0;
}
)";

constexpr const char *kPatch = R"(
typedef unsigned long size_t;
extern int counter;
extern int helper(int);
static int plus(int x) { return x + 1000; }
static int times(int x) { return x * 10; }
static int calls;
static char room[5000];
int (*operations[])(int) = {plus, times, helper};
int *base_data = &counter;
#ifdef IMPORTS
extern void *memfrob(void *, size_t);
extern int clock_gettime(int, void *);
extern void no_such_function(void) __attribute__((weak));
void *(*frob)(void *, size_t) = memfrob;
int (*now)(int, void *) = clock_gettime;
void (*maybe)(void) = no_such_function;
#endif
int new_answer(int x) {
  int sum = helper(x) + counter;
  for (int i = 0; i < 3; ++i) sum += ((int (*volatile *)(int))operations)[i](x);
  *base_data += 1;
  room[4999] = 1;
  ++calls;
#ifdef IMPORTS
  char text[2] = {1, 0};
  long when[2];
  ((void *(*volatile *)(void *, size_t))&frob)[0](text, 1);
  if (text[0] != (1 ^ 42)) return -1;
  if (((int (*volatile *)(int, void *))&now)[0](1, when) != 0) return -2;
  if (((void (*volatile *)(void))&maybe)[0]) return -3;
#endif
  return sum + calls + room[0];
}
)";
// argc == 1: helper(1) = 5, counter 7, plus 1001, times 10, helper 5, calls 1.
constexpr const char *kBefore = "answer 12\n";
constexpr const char *kAfter = "answer 1029\n";

Image image_of(const std::filesystem::path &path) {
  auto image = read_elf_image_file(path);
  EXPECT_TRUE(image) << image.error().text();
  return image ? *image : Image{};
}

class ColdFile : public ::testing::Test {
 protected:
  std::filesystem::path path(const std::string &name) const { return folder_.path() / name; }

  void put(const std::string &name, std::string_view text) {
    ASSERT_TRUE(write_file_atomic(path(name), as_bytes(text)));
  }

  // Writes the coldpatch of `base` beside it and returns its path.
  std::string patch(const std::filesystem::path &base, const HotImage &hot, const std::string &name = "cold") {
    const auto cold = write_cold_file(image_of(base), hot);
    EXPECT_TRUE(cold) << cold.error().text();
    if (!cold) return "/bin/false";
    EXPECT_TRUE(write_file_atomic(path(name), *cold, 0755));
    expect_no_new_lint(base, path(name));
    return path(name).string();
  }

  void expect_no_new_lint(const std::filesystem::path &base, const std::filesystem::path &cold) {
    // elflint knows no owners of notes but its own few.
    const std::string filter = " | grep -v -e \"owner name 'Suture'\" -e '^No errors' | sed 's/[0-9]\\+//g' | sort -u";
    const std::string before = run("eu-elflint --gnu-ld " + base.string() + filter).text;
    const std::string after = run("eu-elflint --gnu-ld " + cold.string() + filter).text;
    EXPECT_EQ(after, before);
    const std::string readelf = run("readelf -aW " + cold.string()).text;
    EXPECT_EQ(readelf.find("arning"), std::string::npos) << readelf;
  }

  // The program, patched, in one flavour.
  void expect_patched(const std::string &compile, const std::string &patch_flags) {
    put("base.c", kProgram);
    must("gcc -O1 " + compile + " -o " + path("base").string() + " " + path("base.c").string());
    EXPECT_EQ(must(path("base").string()), kBefore);
    HotImage hot =
        HotLinker(image_of(path("base")), folder_.path())
            .link("gcc -O1 " + patch_flags, kPatch, {{"answer", "new_answer"}}, {{"clock_gettime", "GLIBC_2.17"}});
    const std::string cold = patch(path("base"), hot);
    EXPECT_EQ(must(cold), kAfter);
    EXPECT_EQ(must("LD_BIND_NOW=1 " + cold), kAfter);
    EXPECT_EQ(cold_patches_of(image_of(cold)), std::vector<std::string>{"test-patch"});
    expect_survives_strip(cold);
    expect_patchable_again(cold);
    // Stripped before it was patched, as what distributions ship.
    must("strip -o " + path("stripped").string() + " " + path("base").string());
    hot.base_digest = image_of(path("stripped")).digest;
    EXPECT_EQ(must(patch(path("stripped"), hot, "stripped-cold")), kAfter);
  }

  // Not binutils' strip, which (2.40) lays such a file out anew and ruins it, as it does to patchelf's.
  void expect_survives_strip(const std::string &cold) {
    must("eu-strip -o " + path("eu-strip").string() + " " + cold);
    EXPECT_EQ(must(path("eu-strip").string()), kAfter);
  }

  void expect_patchable_again(const std::string &cold) {
    HotImage hot = HotLinker(image_of(cold), folder_.path())
                       .link("gcc -O1 -fno-pic -fcf-protection=none",
                             "extern int new_answer(int); int again(int x) { return -x; }", {{"new_answer", "again"}});
    hot.patch_id = "second";
    const std::string twice = patch(cold, hot, "twice");
    EXPECT_EQ(must(twice), "answer -1\n");
    EXPECT_EQ(cold_patches_of(image_of(twice)), (std::vector<std::string>{"test-patch", "second"}));
  }

  TempDir folder_ = *TempDir::create("suture-cold");
  void TearDown() override {
    if (std::getenv("KEEP")) std::move(folder_).keep();
  }
};

TEST_F(ColdFile, PatchesAPie) {
  expect_patched("-pie -fPIE", "-fPIE -DIMPORTS");
}
TEST_F(ColdFile, PatchesAProgramAtAFixedAddress) {
  expect_patched("-no-pie -fno-pie", "-fno-pie -DIMPORTS");
}
TEST_F(ColdFile, PatchesAStaticProgram) {
  expect_patched("-static -fno-pie", "-fno-pie");
}
TEST_F(ColdFile, PatchesAStaticPie) {
  expect_patched("-static-pie -fPIE", "-fPIE");
}
TEST_F(ColdFile, PatchesABindNowProgram) {
  expect_patched("-pie -fPIE -Wl,-z,now,-z,relro", "-fPIE -DIMPORTS");
}
TEST_F(ColdFile, PatchesAProgramWithPackedRelativeRelocations) {
  expect_patched("-pie -fPIE -Wl,-z,pack-relative-relocs", "-fPIE -DIMPORTS");
}
TEST_F(ColdFile, PatchesAProgramWithOldStyleHash) {
  expect_patched("-pie -fPIE -Wl,--hash-style=sysv -rdynamic", "-fPIE -DIMPORTS");
}
TEST_F(ColdFile, PatchesAProgramWithBothHashesAndExports) {
  expect_patched("-pie -fPIE -Wl,--hash-style=both -rdynamic", "-fPIE -DIMPORTS");
}
TEST_F(ColdFile, PatchesAProgramLinkedByGold) {
  expect_patched("-pie -fPIE -fuse-ld=gold", "-fPIE -DIMPORTS");
}
TEST_F(ColdFile, PatchesAProgramWithOneSegmentOfCodeAndConstants) {
  expect_patched("-pie -fPIE -Wl,-z,noseparate-code", "-fPIE -DIMPORTS");
}

}  // namespace
}  // namespace suture
