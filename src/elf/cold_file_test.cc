// Coldpatches of real programs, built here with the system's compiler, run under the system's loader.
#include "elf/cold_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "elf/cold_note.h"
#include "elf/link_for_test.h"

namespace suture {
namespace {

using testing_link::find_symbol;
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
    // elflint knows no owners of notes but its own few, and takes a relocation for as large as the symbol it names,
    // which from the GOT may reach into the next segment.
    const std::string filter =
        " | grep -v -e \"owner name 'Suture'\" -e 'read-only section modified' -e '^No errors' | sed 's/[0-9]\\+//g' | "
        "sort -u";
    const std::string before = run("eu-elflint --gnu-ld " + base.string() + filter).text;
    const std::string after = run("eu-elflint --gnu-ld " + cold.string() + filter).text;
    EXPECT_EQ(after, before);
    const std::string readelf = run("readelf -aW " + cold.string()).text;
    EXPECT_EQ(readelf.find("readelf: "), std::string::npos) << readelf;
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
    if (compile.find("static") == std::string::npos) {
      must("/lib64/ld-linux-x86-64.so.2 --verify " + cold);
      EXPECT_EQ(must("/lib64/ld-linux-x86-64.so.2 " + cold), kAfter);
    }
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
    const std::vector<ColdPatchRecord> records = read_cold_note(image_of(twice));
    EXPECT_EQ(records[1].patch, hot.lineage());
    ASSERT_EQ(records[0].redirects.size(), 1u);
    const ColdRedirect &first = records[0].redirects[0];
    const Image base = image_of(path("base"));
    const ByteView shipped = base.at(first.site, first.old_bytes.size());
    EXPECT_TRUE(std::equal(shipped.begin(), shipped.end(), first.old_bytes.begin()));
  }

  TempDir folder_ = *TempDir::create("suture-cold");
  void TearDown() override {
    if (std::getenv("KEEP")) std::move(folder_).keep();
  }
};

// A program of C++ whose replaced function catches what the base throws, throws to the base, has a destructor to run in
// between, and looks down its stack.
constexpr const char *kThrowing = R"(
#include <cstdio>
#include <stdexcept>
#include <execinfo.h>
int main();
struct Guard { ~Guard() { std::puts("unwound"); } };
extern "C" __attribute__((noinline, noipa)) int sees_main() {
  void *frames[32];
  const int count = backtrace(frames, 32);
  for (int i = 0; i < count; ++i)
    if (frames[i] > (void *)main && frames[i] < (char *)main + 1000) return 1;
  return 0;
}
extern "C" __attribute__((noinline, noipa)) void thrower() { throw std::runtime_error("from the base"); }
extern "C" __attribute__((noinline, noipa)) int catcher(int x) {
  Guard guard;
  try { if (x == 0) thrower(); } catch (const std::runtime_error &) { std::puts("old"); }
  return sees_main();
}
int main() {
  try { std::printf("%d\n", catcher(0)); } catch (...) { std::printf("caught\n"); }
}
)";
constexpr const char *kThrowingPatch = R"(
namespace std { class runtime_error; }
extern "C" int puts(const char *);
extern "C" int sees_main();
extern "C" void thrower();
struct Mine { ~Mine() { puts("mine unwound"); } };
struct Own {};
extern "C" __attribute__((noinline, noipa)) void rethrow(int x) { Mine mine; if (x == 0) throw Own(); }
extern "C" int new_catcher(int x) {
  Mine mine;
  try { thrower(); } catch (...) { puts("new"); }
  puts(sees_main() ? "sees main" : "lost");
  rethrow(x);
  return 0;
}
)";

class ColdUnwinding : public ColdFile {
 protected:
  void expect_unwinding(const std::string &compile) {
    put("base.cc", kThrowing);
    must("g++ -O1 " + compile + " -o " + path("base").string() + " " + path("base.cc").string());
    EXPECT_EQ(must(path("base").string()), "old\nunwound\n1\n");
    const HotImage hot = HotLinker(image_of(path("base")), folder_.path())
                             .link("g++ -O1 -fPIE", kThrowingPatch, {{"catcher", "new_catcher"}});
    EXPECT_GT(hot.eh_frame_bytes, 0u);
    EXPECT_EQ(must(patch(path("base"), hot)), "new\nsees main\nmine unwound\nmine unwound\ncaught\n");
  }
};

TEST_F(ColdUnwinding, CarriesExceptionsAndBacktracesThroughAPie) {
  expect_unwinding("-pie -fPIE");
}
TEST_F(ColdUnwinding, CarriesExceptionsAndBacktracesThroughAFixedProgram) {
  expect_unwinding("-no-pie -fno-pie");
}
TEST_F(ColdUnwinding, CarriesExceptionsAndBacktracesThroughAStaticProgram) {
  expect_unwinding("-static -fno-pie");
}
TEST_F(ColdUnwinding, CarriesExceptionsAndBacktracesThroughAStaticPie) {
  expect_unwinding("-static-pie -fPIE");
}
TEST_F(ColdUnwinding, IsFollowedByADebugger) {
  put("base.c", kProgram);
  must("gcc -O1 -o " + path("base").string() + " " + path("base.c").string());
  HotImage hot =
      HotLinker(image_of(path("base")), folder_.path()).link("gcc -O1 -fPIE", kPatch, {{"answer", "new_answer"}});
  must("strip " + path("base").string());
  hot.base_digest = image_of(path("base")).digest;
  const std::string cold = patch(path("base"), hot);
  const std::string gdb = must(
      "gdb -nx -batch -ex 'set debuginfod enabled off' -ex 'set startup-with-shell off' -ex 'break plus' -ex run -ex "
      "bt " +
      cold + " < /dev/null");
  EXPECT_NE(gdb.find("in new_answer ()"), std::string::npos) << gdb;
  EXPECT_NE(gdb.find("__libc_start_main"), std::string::npos) << gdb;
}

// A library as Debian ships it: stripped, with versions; its users find it by LD_LIBRARY_PATH.
TEST_F(ColdFile, PatchesASharedLibraryOfTheSystem) {
  const std::filesystem::path system = "/lib/x86_64-linux-gnu/libz.so.1";
  if (!std::filesystem::exists(system)) GTEST_SKIP() << system;
  put("host.c", R"(
#include <dlfcn.h>
#include <stdio.h>
int main() {
  void *library = dlopen("libz.so.1", RTLD_NOW);
  if (!library) { puts(dlerror()); return 1; }
  const char *(*version)(void) = (const char *(*)(void))dlsym(library, "zlibVersion");
  unsigned long (*crc)(unsigned long, const char *, unsigned) = (unsigned long (*)(unsigned long, const char *, unsigned))dlsym(library, "crc32");
  printf("%s %lx\n", version(), crc(0, "123456789", 9));
  return 0;
}
)");
  must("gcc -o " + path("host").string() + " " + path("host.c").string());
  const Image base = image_of(system);
  HotImage hot = HotLinker(base, folder_.path())
                     .link("gcc -O1 -fPIE", R"(
extern unsigned long crc32(unsigned long, const char *, unsigned);
extern char *getenv(const char *);
static const char *texts[] = {"cold library", "broken"};
char *(*get)(const char *) = getenv;
const char *new_version(void) {
  return ((char *(*volatile *)(const char *))&get)[0]("HOME") && crc32(0, "123456789", 9) == 0xcbf43926 ? texts[0] : texts[1];
}
)",
                           {{"zlibVersion", "new_version"}}, {{"getenv", "GLIBC_2.2.5"}});
  std::filesystem::create_directory(path("lib"));
  patch(system, hot, "lib/libz.so.1");
  EXPECT_EQ(must("HOME=/ LD_LIBRARY_PATH=" + path("lib").string() + " " + path("host").string()),
            "cold library cbf43926\n");
  EXPECT_EQ(image_of(path("lib/libz.so.1")).id.text(), base.id.text());
}

TEST_F(ColdFile, PatchesTheShellOfTheSystem) {
  const std::filesystem::path system = "/bin/bash";
  if (find_symbol(image_of(system), "show_shell_version") == nullptr) GTEST_SKIP() << "a shell without that symbol";
  HotImage hot = HotLinker(image_of(system), folder_.path())
                     .link("gcc -O1 -fPIE", R"(
extern char *shell_version_string(void);
extern int puts(const char *);
static int calls;
static int *where = &calls;
void new_version(int extended) { ++*where; puts("cold"); puts(shell_version_string() ? "shell" : ""); }
)",
                           {{"show_shell_version", "new_version"}});
  const std::string cold = patch(system, hot);
  EXPECT_EQ(must(cold + " --version"), "cold\nshell\n");
  EXPECT_EQ(must(cold + " -c 'for i in 1 2 3; do (echo $i | cat); done; x=$(seq 1000 | tail -1); echo $x'"),
            "1\n2\n3\n1000\n");
}

class ColdHugeData : public ColdFile {
 protected:
  void make(const std::string &compile, const std::string &size_bytes) {
    put("base.c", R"(
#include <stdio.h>
#include <stdlib.h>
static char big[)" + size_bytes +
                      R"(];
__attribute__((noinline, noipa)) int helper(int x) { return x; }
__attribute__((noinline, noipa)) int answer(int x) { return helper(x) * 3 + 5; }
int main(int argc, char **argv) {
  big[sizeof big - argc] = 1;
  char *heap = malloc(1000);
  heap[999] = 2;
  printf("%d\n", answer(argc) + big[sizeof big - 1] + heap[999]);
  return 0;
}
)");
    must("gcc -O1 " + compile + " -o " + path("base").string() + " " + path("base.c").string());
  }
  HotImage link(const std::string &flags) {
    return HotLinker(image_of(path("base")), folder_.path())
        .link("gcc -O1 " + flags,
              "extern int helper(int); static int add = 100; int new_answer(int x) { return helper(x) + add++; }",
              {{"answer", "new_answer"}});
  }
};

TEST_F(ColdHugeData, PlacesThePatchBehindAGigabyteOfZeros) {
  for (const std::string flags : {"-pie -fPIE", "-no-pie -fno-pie"}) {
    make(flags, "1ul << 30");
    const std::string cold = patch(path("base"), link("-fPIE"));
    EXPECT_EQ(must(cold), "104\n");
    EXPECT_LT(std::filesystem::file_size(cold), 200000u);
  }
}

TEST_F(ColdHugeData, IsRefusedWhenCodeBehindItCouldNotReachTheBase) {
  make("-pie -fPIE -mcmodel=large", "3ul << 30");
  const auto cold = write_cold_file(image_of(path("base")), link("-fPIE"));
  ASSERT_FALSE(cold);
  EXPECT_EQ(cold.error().verdict(), Verdict::refused);
  EXPECT_NE(cold.error().text().find("cannot reach"), std::string::npos) << cold.error().text();
}

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
TEST_F(ColdFile, HoldsNewInitialValues) {
  put("base.c", kProgram);
  must("gcc -O1 -o " + path("base").string() + " " + path("base.c").string());
  const Image base = image_of(path("base"));
  HotImage hot = HotLinker(base, path("")).link("gcc -O1 -fPIE", kPatch, {{"answer", "new_answer"}});
  hot.initial_values = {{"counter", find_symbol(base, "counter")->address, {7, 0, 0, 0}, {107, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}}};
  EXPECT_EQ(run(patch(path("base"), hot)).text, "answer 1129\n");
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

class ColdRefusal : public ColdFile {
 protected:
  void SetUp() override {
    put("base.c", kProgram);
    must("gcc -O1 -o " + path("base").string() + " " + path("base.c").string());
    base_ = image_of(path("base"));
    hot_ = HotLinker(base_, folder_.path()).link("gcc -O1 -fPIE", kPatch, {{"answer", "new_answer"}});
  }
  void expect_refused(const std::string &why) {
    const auto cold = write_cold_file(base_, hot_);
    ASSERT_FALSE(cold);
    EXPECT_NE(cold.error().text().find(why), std::string::npos) << cold.error().text();
  }
  Image base_;
  HotImage hot_;
};

TEST_F(ColdRefusal, NamesBothBuildsWhenTheFileIsAnother) {
  hot_.base_digest[0] ^= 1;
  hot_.base_id.bytes[0] ^= 1;
  expect_refused(base_.id.text());
  expect_refused(hot_.base_id.text());
}

TEST_F(ColdRefusal, SaysWhichBytesDiffer) {
  hot_.validations[0].expected[3] ^= 1;
  expect_refused(hex(hot_.validations[0].range.begin.value));
}

TEST_F(ColdRefusal, WhenTheFileDoesNotHoldTheOldInitialValue) {
  hot_.initial_values = {{"counter", find_symbol(base_, "counter")->address, {8, 0, 0, 0}, {9, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}}};
  expect_refused("does not hold the old initial value of counter");
  hot_.initial_values[0].mask[0] = 0;  // what does not count may be anything
  EXPECT_TRUE(write_cold_file(base_, hot_));
}

TEST_F(ColdRefusal, WhenTheFunctionIsTooShortForAJump) {
  hot_.redirects[0].room_bytes = 4;
  expect_refused("no room");
}

TEST_F(ColdRefusal, WhenPointersLieInReadOnlyMemory) {
  hot_.fixups = {{Fixup::Kind::self_abs64, PatchOffset(kHotHeaderBytes), 0}};
  expect_refused("read-only memory");
}

TEST_F(ColdRefusal, WhenTheFileCarriesSomethingBehindItsSections) {
  base_.bytes.resize(base_.bytes.size() + 1000, 'x');
  expect_refused("behind its sections");
}

TEST_F(ColdRefusal, LeavesAFileWithoutOurNoteUnnamed) {
  EXPECT_TRUE(cold_patches_of(base_).empty());
}

}  // namespace
}  // namespace suture
