// inspect --disasm and report on a package made of a program that the test compiles.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "base/file.h"
#include "cli/cli_test_support.h"

namespace suture::cli {
namespace {

using testing_support::Outcome;
using testing_support::run;

constexpr const char *kPre = R"(#include <stdio.h>
static int count;
__attribute__((noinline)) void greet(const char *who) { printf("%d: goodbye, %s\n", ++count, who); }
int main(int argc, char **argv) { for (int i = 0; i < argc; ++i) greet(argv[i]); return 0; }
)";
constexpr const char *kPost = R"(#include <stdio.h>
#include <string.h>
static int count;
__attribute__((noinline)) static int is_bad(const char *who) { return strchr(who, '<') != 0; }
__attribute__((noinline)) void greet(const char *who) { if (is_bad(who)) return; printf("%d: hello, %s\n", ++count, who); }
int main(int argc, char **argv) { for (int i = 0; i < argc; ++i) greet(argv[i]); return 0; }
)";

class ReviewCommands : public testing::Test {
 protected:
  void SetUp() override {
    auto made = TempDir::create("suture-review");
    ASSERT_TRUE(made);
    folder_.emplace(std::move(*made));
    for (const char *name : {"pre", "post"}) std::filesystem::create_directory(path(name));
    ASSERT_TRUE(write_file_atomic(path("pre/greet.c"), as_bytes(kPre)));
    ASSERT_TRUE(write_file_atomic(path("post/greet.c"), as_bytes(kPost)));
    const std::string compile = "cc -O2 -Wl,--build-id -o greet greet.c";
    ASSERT_EQ(std::system(cat("cd ", path("pre"), " && ", compile, " && strip -o ../greet greet && rm greet").c_str()), 0);
    const Outcome built = run({"build", "--pre", path("pre"), "--post", path("post"), "--build", compile, "--image",
                               cat(path("greet"), "=greet"), "-o", path("greet.hotpatch"), "--description", "a <b> & c"});
    ASSERT_EQ(built.status, kDone) << built.err;
  }
  std::string path(const std::string &name) const { return (folder_->path() / name).string(); }
  static bool has_line(const std::string &text, const std::string &left, const std::string &right) {
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      const std::string_view line = std::string_view(text).substr(at, end - at);
      if (line.find(left) != std::string_view::npos && line.find(right) != std::string_view::npos) return true;
      at = end + 1;
    }
    return false;
  }
  std::optional<TempDir> folder_;
};

TEST_F(ReviewCommands, InspectTellsWhoCallsAFunctionAndWhatItRefersTo) {
  const Outcome shown = run({"inspect", path("greet.hotpatch")});
  ASSERT_EQ(shown.status, kDone) << shown.err;
  EXPECT_TRUE(has_line(shown.out, "called by:", "main")) << shown.out;
  EXPECT_TRUE(has_line(shown.out, "uses:", "count")) << shown.out;
  EXPECT_TRUE(has_line(shown.out, "brings:", "is_bad")) << shown.out;
}

TEST_F(ReviewCommands, DisassemblyShowsWhatTheRedirectCoversAndNamesWhatIsReached) {
  const Outcome shown = run({"inspect", path("greet.hotpatch"), "--disasm", "--whole", "--json"});
  ASSERT_EQ(shown.status, kDone) << shown.err;
  const auto parsed = nlohmann::json::parse(shown.out);
  const auto &greet = parsed["images"][0]["disassembly"][0];
  EXPECT_EQ(greet["name"], "greet");
  const auto has = [](const nlohmann::json &lines, const std::string &text) {
    for (const auto &line : lines)
      if (line["text"].get<std::string>().find(text) != std::string::npos) return true;
    return false;
  };
  // The coldpatch has a jump at the entry; the listing has what was there.
  EXPECT_EQ(greet["old"][0]["text"].get<std::string>().find("jmp"), std::string::npos) << greet["old"][0];
  EXPECT_TRUE(has(greet["old"], "goodbye")) << greet["old"];
  EXPECT_TRUE(has(greet["old"], "[count]")) << greet["old"];
  EXPECT_TRUE(has(greet["new"], "hello")) << greet["new"];
  EXPECT_TRUE(has(greet["new"], "call is_bad")) << greet["new"];
}

TEST_F(ReviewCommands, ReportIsAPageOfItsOwnWithSourceAndCodeAndNothingUnescaped) {
  const Outcome written = run({"report", path("greet.hotpatch"), "-o", path("greet.html")});
  ASSERT_EQ(written.status, kDone) << written.err;
  const auto page = read_text(path("greet.html"));
  ASSERT_TRUE(page);
  EXPECT_NE(page->find("a &lt;b&gt; &amp; c"), std::string::npos);
  EXPECT_NE(page->find("<ins>hello"), std::string::npos) << "the changed word is marked";
  EXPECT_NE(page->find("<svg"), std::string::npos);
  for (const char *outside : {"src=", "http:", "https:", "<script"}) EXPECT_EQ(page->find(outside), std::string::npos) << outside;
}

TEST_F(ReviewCommands, ReportRefusesAPackageWhoseReviewWasAltered) {
  auto bytes = read_file(path("greet.hotpatch"));
  ASSERT_TRUE(bytes);
  (*bytes)[bytes->size() - 3] ^= 0x55;
  ASSERT_TRUE(write_file_atomic(path("greet.hotpatch"), *bytes));
  EXPECT_EQ(run({"report", path("greet.hotpatch"), "-o", path("x.html")}).status, kRefused);
  EXPECT_FALSE(std::filesystem::exists(path("x.html")));
}

}  // namespace
}  // namespace suture::cli
