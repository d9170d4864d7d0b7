// Makes trees with patch(1).
#include "build/patch_tree.h"

#include <gtest/gtest.h>

#include <map>

#include "base/cat.h"
#include "base/file.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

class PatchTree : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<TempDir> folder = TempDir::create("patch-tree-test");
    ASSERT_TRUE(folder);
    folder_.emplace(std::move(*folder));
  }
  fs::path at(const std::string &name) const { return folder_->path() / name; }
  static void write_tree(const fs::path &root, const std::map<std::string, std::string> &files) {
    for (const auto &[name, text] : files) {
      fs::create_directories((root / name).parent_path());
      ASSERT_TRUE(write_file_atomic(root / name, as_bytes(text)));
    }
  }

  std::optional<TempDir> folder_;
};

TEST_F(PatchTree, MakesThePostTreeFromAPatch) {
  write_tree(at("source"), {{"a.c", "one\ntwo\nthree\nfour\nfive\nsix\n"}});
  ASSERT_TRUE(write_file_atomic(at("fix.patch"),
                                as_bytes("--- a/a.c\n+++ b/a.c\n@@ -2,3 +2,3 @@\n two\n-three\n+THREE\n four\n")));
  ASSERT_TRUE(make_patched_tree(at("source"), {at("fix.patch")}, at("patched")));
  EXPECT_EQ(*read_text(at("patched/a.c")), "one\ntwo\nTHREE\nfour\nfive\nsix\n");
  EXPECT_EQ(*read_text(at("source/a.c")), "one\ntwo\nthree\nfour\nfive\nsix\n");
}

TEST_F(PatchTree, RefusesAPatchWhoseContextIsNotThereAndNamesTheHunk) {
  write_tree(at("source"), {{"a.c", "one\nother\nthree\nfour\n"}});
  ASSERT_TRUE(write_file_atomic(at("fix.patch"),
                                as_bytes("--- a/a.c\n+++ b/a.c\n@@ -2,3 +2,3 @@\n two\n-three\n+THREE\n four\n")));
  const Status status = make_patched_tree(at("source"), {at("fix.patch")}, at("patched"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().verdict(), Verdict::refused);
  EXPECT_NE(status.error().what().find("hunk 1 of a.c"), std::string::npos) << status.error().text();
  EXPECT_FALSE(fs::exists(at("patched")));
}

TEST_F(PatchTree, RefusesAPatchThatIsInAlready) {
  write_tree(at("source"), {{"a.c", "two\nTHREE\nfour\n"}});
  ASSERT_TRUE(write_file_atomic(at("fix.patch"),
                                as_bytes("--- a/a.c\n+++ b/a.c\n@@ -1,3 +1,3 @@\n two\n-three\n+THREE\n four\n")));
  const Status status = make_patched_tree(at("source"), {at("fix.patch")}, at("patched"));
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().what().find("has the change already"), std::string::npos) << status.error().text();
}

TEST_F(PatchTree, TakesPatchesOutOfATreeFromTheLastOn) {
  write_tree(at("tree"), {{"a.c", "one\nTWO\nTHREE\nfour\n"}});
  ASSERT_TRUE(
      write_file_atomic(at("1.patch"), as_bytes("--- a/a.c\n+++ b/a.c\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n")));
  ASSERT_TRUE(write_file_atomic(at("2.patch"),
                                as_bytes("--- a/a.c\n+++ b/a.c\n@@ -2,3 +2,3 @@\n TWO\n-three\n+THREE\n four\n")));
  const Status built_on = take_back_patches(at("tree"), {at("1.patch")});
  ASSERT_FALSE(built_on);
  EXPECT_EQ(built_on.error().verdict(), Verdict::refused);
  EXPECT_NE(built_on.error().what().find("hunk 1 of a.c"), std::string::npos) << built_on.error().text();
  ASSERT_TRUE(take_back_patches(at("tree"), {at("1.patch"), at("2.patch")}));
  EXPECT_EQ(*read_text(at("tree/a.c")), "one\ntwo\nthree\nfour\n");
}

}  // namespace
}  // namespace suture
