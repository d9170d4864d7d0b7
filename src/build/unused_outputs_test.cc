#include "build/unused_outputs.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cat.h"
#include "base/file.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

class UnusedOutputs : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.emplace(TempDir::create("unused-outputs").value());
    if (!keeps_access_times(folder_->path())) GTEST_SKIP() << "this mount keeps no times of access";
    fs::copy_file("/bin/true", file());
    mark_unread(file());
  }
  fs::path file() const { return folder_->path() / "program"; }
  static LinkRecord link_of(const std::string &output) {
    LinkRecord link;
    link.output = output;
    link.output_content = std::string(64, 'a');
    return link;
  }
  TreePlaces tree() const { return {"/build/tree", folder_->path()}; }

  std::optional<TempDir> folder_;
};

TEST_F(UnusedOutputs, TheMarkStaysUntilTheFileIsRead) {
  EXPECT_TRUE(is_marked_unread(file()));
  struct stat info {};
  ASSERT_EQ(::stat(file().c_str(), &info), 0);
  EXPECT_TRUE(is_marked_unread(file())) << "asking for its size is no use of it";
  ASSERT_TRUE(read_file(file()));
  EXPECT_FALSE(is_marked_unread(file()));
}

TEST_F(UnusedOutputs, AMountWithoutTimesOfAccessIsKnown) {
  const fs::path mount = folder_->path() / "mount";
  fs::create_directory(mount);
  if (::mount("none", mount.c_str(), "tmpfs", MS_NOATIME, nullptr) != 0) GTEST_SKIP() << "nothing can be mounted here";
  EXPECT_FALSE(keeps_access_times(mount));
  EXPECT_EQ(::umount(mount.c_str()), 0);
}

TEST_F(UnusedOutputs, RunningAFileIsAUse) {
  ASSERT_EQ(::system(file().c_str()), 0);
  EXPECT_FALSE(is_marked_unread(file()));
}

TEST_F(UnusedOutputs, AMarkedFileIsUnusedUnlessItIsWanted) {
  Records built;
  built.links = {link_of("/build/tree/program"), link_of("/build/tree/gone"), link_of("/elsewhere/program")};
  const auto unused = unused_outputs(built, {}, tree());
  EXPECT_EQ(unused.size(), 1U);
  EXPECT_EQ(unused.count("/build/tree/program"), 1U);
  EXPECT_TRUE(unused_outputs(built, {"/build/tree/program"}, tree()).empty());
  built.links.push_back(link_of("/build/tree/program"));
  EXPECT_TRUE(unused_outputs(built, {}, tree()).empty()) << "between two links it may have been used";
}

TEST_F(UnusedOutputs, ASparedFileIsNewerAndStillUnread) {
  struct stat before {}, after {};
  ASSERT_EQ(::stat(file().c_str(), &before), 0);
  ASSERT_TRUE(spare_link(file(), {}, {}));
  ASSERT_EQ(::stat(file().c_str(), &after), 0);
  EXPECT_TRUE(std::pair(before.st_mtim.tv_sec, before.st_mtim.tv_nsec) < std::pair(after.st_mtim.tv_sec, after.st_mtim.tv_nsec));
  Records now;
  now.spared = {"/build/tree/program"};
  EXPECT_FALSE(used_what_was_spared(now, tree()));
  now.spared.push_back("/build/tree/program");
  EXPECT_TRUE(used_what_was_spared(now, tree())) << "twice";
  now.spared.pop_back();
  ASSERT_EQ(::system(file().c_str()), 0);
  EXPECT_TRUE(used_what_was_spared(now, tree()));
}

TEST_F(UnusedOutputs, AFileThatWasReadIsNotSpared) {
  ASSERT_TRUE(read_file(file()));
  EXPECT_FALSE(spare_link(file(), {}, {}));
}

}  // namespace
}  // namespace suture
