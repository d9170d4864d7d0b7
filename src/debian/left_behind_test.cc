#include "debian/left_behind.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

class LeftBehind : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.emplace(*TempDir::create("left-behind"));
    fs::create_directories(at("records/pre"));
    ASSERT_TRUE(write_file_atomic(at("records/pre/1.link.json"), as_bytes("{}")));
  }
  fs::path at(const char *name) const { return folder_->path() / name; }
  std::string complaint(const LeftLimits &limits = {}) const {
    const Status status = check_left_behind(folder_->path(), limits);
    return status ? std::string() : status.error().line();
  }
  std::optional<TempDir> folder_;
};

TEST_F(LeftBehind, FilesAndFoldersAreFine) {
  EXPECT_EQ(complaint(), "");
}

TEST_F(LeftBehind, LinkIsNamedAndNotFollowed) {
  fs::create_symlink("/etc", at("records/post"));
  EXPECT_NE(complaint().find("records/post"), std::string::npos) << complaint();
}

TEST_F(LeftBehind, PipeIsNamed) {
  ASSERT_EQ(::mkfifo(at("records/pre/2.link.json").c_str(), 0600), 0);
  EXPECT_NE(complaint().find("2.link.json"), std::string::npos) << complaint();
}

TEST_F(LeftBehind, SizesAndCountsAreBounded) {
  ASSERT_TRUE(write_file_atomic(at("big"), {}));
  fs::resize_file(at("big"), 3000);  // has no blocks: a limit of the disk would not see it
  EXPECT_NE(complaint({.file_bytes = 2999}).find("big"), std::string::npos);
  EXPECT_NE(complaint({.total_bytes = 3001}), "");
  EXPECT_NE(complaint({.entries = 3}), "");
  EXPECT_EQ(complaint({.entries = 4, .file_bytes = 3000, .total_bytes = 3002}), "");
}

}  // namespace
}  // namespace suture
