#include "debian/private_root.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cat.h"
#include "base/file.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kSomebody = 65432;

// A root that shares the system's programs with this machine.
class PrivateRootTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const Status possible = check_private_roots(); !possible) GTEST_SKIP() << possible.error().line();
    folder_.emplace(*TempDir::create("root-test"));
    fs::permissions(folder_->path(), fs::perms(0755));
    root_.folder = folder_->path();
    for (const char *name : {"proc", "dev", "usr", "tmp"}) fs::create_directory(root_.folder / name);
    for (const char *name : {"bin", "lib", "lib64", "sbin"}) fs::create_symlink(cat("usr/", name), root_.folder / name);
    root_.shared = {"/usr"};
  }

  std::string output_of(const std::string &script) {
    ProcessRequest request;
    request.program = "/bin/sh";
    request.words = {"sh", "-c", script};
    request.environment = {"PATH=/usr/bin:/bin"};
    request.stdin_file = "/dev/null";
    request.stdout_file = request.stderr_file = (folder_->path() / "tmp/output").string();
    const Result<ProcessOutcome> outcome = run_in_private_root(root_, request);
    EXPECT_TRUE(outcome) << outcome.error().line();
    status_ = outcome ? outcome->status : -1;
    std::string text = *read_text(folder_->path() / "tmp/output");
    fs::remove(folder_->path() / "tmp/output");
    return text;
  }

  std::optional<TempDir> folder_;
  PrivateRoot root_;
  int status_ = 0;
};

TEST_F(PrivateRootTest, ProgramSeesTheFolderAsItsRoot) {
  EXPECT_EQ(output_of("echo /*"), "/bin /dev /lib /lib64 /proc /sbin /tmp /usr\n");
}

TEST_F(PrivateRootTest, BuildUserIsNobodyOfThisMachineAndHasNoNetwork) {
  root_.user = kSomebody;
  EXPECT_EQ(output_of("id -u; id -G; grep NoNewPrivs /proc/self/status; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"),
            "65432\n65432\nNoNewPrivs:\t1\nlo\n");
}

TEST_F(PrivateRootTest, ExitStatusComesOut) {
  output_of("exit 7");
  EXPECT_EQ(WEXITSTATUS(status_), 7);
}

TEST_F(PrivateRootTest, NothingLivesOnInTheRootAndNoMountIsLeft) {
  output_of("sleep 1000 & echo started");
  EXPECT_EQ(*read_text("/proc/self/mountinfo"), *read_text("/proc/thread-self/mountinfo"));
  EXPECT_EQ(read_text("/proc/self/mountinfo")->find(root_.folder.string()), std::string::npos);
  EXPECT_TRUE(fs::is_empty(root_.folder / "proc"));
}

TEST_F(PrivateRootTest, ProgramThatIsNotThereIsNamed) {
  ProcessRequest request;
  request.program = "/bin/not-there";
  request.words = {"not-there"};
  const auto outcome = run_in_private_root(root_, request);
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().line().find("/bin/not-there"), std::string::npos);
}

}  // namespace
}  // namespace suture
