#include "host/cold.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>

#include "base/cat.h"
#include "base/file.h"
#include "host/placed_file.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr uint8_t kCapability[] = {1, 0, 0, 2, 0, 4, 0, 0, 0, 0,
                                   0, 0, 0, 0, 0, 0, 0, 0, 0, 0};  // cap_net_bind_service=ep

struct Snapshot {
  Bytes content;
  struct stat info {};
  std::map<std::string, Bytes> attributes;
};

Snapshot snapshot(const fs::path &path) {
  Snapshot snapshot;
  snapshot.content = *read_file(path);
  const Fd fd(::open(path.c_str(), O_RDONLY));
  EXPECT_EQ(::fstat(fd.get(), &snapshot.info), 0);
  snapshot.attributes = read_metadata(fd.get())->attributes;
  return snapshot;
}

void expect_same_metadata(const Snapshot &a, const Snapshot &b) {
  EXPECT_EQ(a.info.st_mode, b.info.st_mode);
  EXPECT_EQ(a.info.st_uid, b.info.st_uid);
  EXPECT_EQ(a.info.st_gid, b.info.st_gid);
  EXPECT_EQ(a.info.st_mtim.tv_sec, b.info.st_mtim.tv_sec);
  EXPECT_EQ(a.info.st_mtim.tv_nsec, b.info.st_mtim.tv_nsec);
  EXPECT_EQ(a.info.st_nlink, b.info.st_nlink);
  EXPECT_TRUE(a.attributes == b.attributes);
}

class ColdOnDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(root() / "bin");
    write(file(), base_, 0755);
    options_.state_folder = root() / "state";
  }
  void write(const fs::path &path, const Bytes &bytes, unsigned mode) {
    ASSERT_TRUE(write_file_atomic(path, bytes, mode));
  }

  const fs::path &root() const { return folder_.path(); }
  fs::path file() const { return root() / "bin" / "tool"; }
  ColdRequest request() const { return request_for(file(), "patch-1", base_, cold_); }
  static ColdRequest request_for(const fs::path &path, const std::string &id, const Bytes &base, const Bytes &cold) {
    return {id, path, {ImageId::Kind::elf_build_id, {0xab, 0xcd}}, sha256(base), cold};
  }
  auto apply(const ColdRequest &request) { return apply_cold({&request, 1}, options_); }

  void expect_applied(const ColdRequest &request) {
    const auto done = apply(request);
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ((*done)[0].outcome, ColdResult::Outcome::applied);
    EXPECT_TRUE(std::ranges::equal(*read_file(request.path), request.cold));
  }
  void expect_refused_untouched(const ColdRequest &request, const std::string &why,
                                Verdict verdict = Verdict::refused) {
    const Snapshot before = snapshot(request.path);
    const auto done = apply(request);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().verdict(), verdict);
    EXPECT_NE(done.error().text().find(why), std::string::npos) << done.error().text();
    const Snapshot after = snapshot(request.path);
    EXPECT_EQ(before.content, after.content);
    EXPECT_EQ(before.info.st_ino, after.info.st_ino);
    expect_same_metadata(before, after);
    EXPECT_TRUE(list_cold(options_).files.empty());
    expect_no_leftovers();
  }
  void expect_no_leftovers() const {
    for (const auto &entry : fs::directory_iterator(root() / "bin"))
      EXPECT_FALSE(entry.path().filename().string().starts_with(".suture")) << entry.path();
  }

  const Bytes base_ = Bytes(5000, 1);
  const Bytes cold_ = [] {  // with a hole
    Bytes bytes(300000);
    bytes.front() = bytes.back() = 2;
    return bytes;
  }();
  TempDir folder_ = *TempDir::create("suture-cold-disk");
  ColdOptions options_;
};

TEST_F(ColdOnDisk, TakesThePlaceOfASupersededPatchAndBringsItBack) {
  const Bytes newer_cold(7000, 3);
  ColdRequest newer = request_for(file(), "patch-2", base_, newer_cold);
  expect_applied(request());
  const auto refused = apply(newer);
  ASSERT_FALSE(refused) << "it does not say that it contains patch-1";
  newer.supersedes = {"patch-1"};
  expect_applied(newer);
  for (const ColdStatus &status : list_cold(options_).files)
    EXPECT_EQ(status.state, status.record.patch_id == "patch-2" ? ColdStatus::State::applied : ColdStatus::State::superseded);
  EXPECT_FALSE(revert_cold("patch-1", options_)) << "patch-2 lies over it";
  const auto again = apply(request());
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ((*again)[0].outcome, ColdResult::Outcome::already);
  ASSERT_TRUE(revert_cold("patch-2", options_));
  EXPECT_TRUE(std::ranges::equal(*read_file(file()), cold_));
  ASSERT_TRUE(revert_cold("patch-1", options_));
  EXPECT_EQ(*read_file(file()), base_);
  EXPECT_TRUE(list_cold(options_).files.empty());
}

TEST_F(ColdOnDisk, TakesThePlaceOfALowerSequenceOfItsOwnIdAndOfWhatThatTookThePlaceOf) {
  const Bytes second_cold(7000, 3);
  const Bytes third_cold(8000, 4);
  ColdRequest second = request_for(file(), "all", base_, second_cold);
  second.supersedes = {"patch-1"};
  ColdRequest third = request_for(file(), "all", base_, third_cold);
  third.sequence = 2;
  expect_applied(request());
  expect_applied(second);
  expect_applied(third);
  const auto lower = apply(second);
  ASSERT_TRUE(lower);
  EXPECT_EQ((*lower)[0].outcome, ColdResult::Outcome::already) << "never back to a lower sequence";
  ASSERT_TRUE(revert_cold("all", options_));
  EXPECT_TRUE(std::ranges::equal(*read_file(file()), second_cold));
  ASSERT_TRUE(revert_cold("all", options_));
  EXPECT_TRUE(std::ranges::equal(*read_file(file()), cold_));
}

TEST_F(ColdOnDisk, ReplacesTheFileAndKeepsTheInodeOfThoseWhoRunIt) {
  const Fd running(::open(file().c_str(), O_RDONLY));
  expect_applied(request());
  EXPECT_EQ(*read_all(running.get(), 1 << 20), base_);
  ASSERT_EQ(list_cold(options_).files.size(), 1u);
  EXPECT_EQ(list_cold(options_).files[0].state, ColdStatus::State::applied);
  EXPECT_EQ(list_cold(options_).files[0].record.patch_id, "patch-1");
  expect_no_leftovers();
}

TEST_F(ColdOnDisk, SaysSoWhenItIsApplied) {
  expect_applied(request());
  const auto again = apply(request());
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)[0].outcome, ColdResult::Outcome::already);
}

TEST_F(ColdOnDisk, KeepsModeOwnerTimesAndAttributesThereAndBack) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  ASSERT_EQ(::chown(file().c_str(), 1, 2), 0);
  ASSERT_EQ(::chmod(file().c_str(), 04751), 0);
  ASSERT_EQ(::setxattr(file().c_str(), "user.note", "hello", 5, 0), 0);
  ASSERT_EQ(::setxattr(file().c_str(), "security.capability", kCapability, sizeof kCapability, 0), 0);
  // user::rwx user:1000:r-- group::r-x mask::r-x other::--x
  const uint8_t acl[] = {2, 0,   0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,  4,
                         0, 232, 3,   0,   0,   4,   0,  5, 0,   255, 255, 255, 255, 16, 0,
                         5, 0,   255, 255, 255, 255, 32, 0, 1,   0,   255, 255, 255, 255};
  ASSERT_EQ(::setxattr(file().c_str(), "system.posix_acl_access", acl, sizeof acl, 0), 0);
  const timespec times[2] = {{1000000, 5}, {2000000, 123456789}};
  ASSERT_EQ(::utimensat(AT_FDCWD, file().c_str(), times, 0), 0);
  const Snapshot before = snapshot(file());
  ASSERT_EQ(before.attributes.size(), 3u);

  expect_applied(request());
  expect_same_metadata(before, snapshot(file()));
  const auto reverted = revert_cold("patch-1", options_);
  ASSERT_TRUE(reverted) << reverted.error().text();
  const Snapshot after = snapshot(file());
  EXPECT_EQ(before.content, after.content);
  expect_same_metadata(before, after);
  EXPECT_EQ(before.info.st_ino, after.info.st_ino) << "the very same file";
  EXPECT_TRUE(list_cold(options_).files.empty());
  expect_no_leftovers();
}

TEST_F(ColdOnDisk, FollowsLinkedFoldersOnce) {
  fs::create_symlink("bin", root() / "sbin");
  fs::create_symlink("tool", root() / "bin" / "alias");
  ColdRequest through_links = request();
  through_links.path = root() / "sbin" / "alias";
  expect_applied(through_links);
  EXPECT_EQ(*read_file(file()), cold_);
  EXPECT_TRUE(fs::is_symlink(root() / "bin" / "alias"));
  ASSERT_TRUE(revert_cold("patch-1", options_));
  EXPECT_EQ(*read_file(file()), base_);
}

TEST_F(ColdOnDisk, StacksPatchesAndTakesThemBackInTurn) {
  const Bytes second(6000, 3);
  expect_applied(request());
  expect_applied(request_for(file(), "patch-2", cold_, second));
  for (const ColdStatus &status : list_cold(options_).files) EXPECT_EQ(status.state, ColdStatus::State::applied);
  const auto wrong = revert_cold("patch-1", options_);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().next(), "revert patch-2 first");
  ASSERT_TRUE(revert_cold("patch-2", options_));
  EXPECT_EQ(*read_file(file()), cold_);
  ASSERT_TRUE(revert_cold("patch-1", options_));
  EXPECT_EQ(*read_file(file()), base_);
}

TEST_F(ColdOnDisk, LeavesAFileAloneThatAnUpgradeReplaced) {
  expect_applied(request());
  const Bytes upgrade(100, 9);
  write(file(), upgrade, 0755);
  EXPECT_EQ(list_cold(options_).files[0].state, ColdStatus::State::replaced);
  const auto reverted = revert_cold("patch-1", options_);
  ASSERT_FALSE(reverted);
  EXPECT_EQ(reverted.error().verdict(), Verdict::refused);
  EXPECT_EQ(*read_file(file()), upgrade);
  // The next patch of that path sweeps the old record away.
  expect_applied(request_for(file(), "patch-2", upgrade, cold_));
  ASSERT_EQ(list_cold(options_).files.size(), 1u);
  EXPECT_EQ(list_cold(options_).files[0].record.patch_id, "patch-2");
}

TEST_F(ColdOnDisk, RefusesToRestoreADamagedOriginal) {
  expect_applied(request());
  const ColdRecord record = list_cold(options_).files[0].record;
  std::ofstream(ColdJournal(options_.state_folder).original_of(record), std::ios::app) << "x";
  const auto reverted = revert_cold("patch-1", options_);
  ASSERT_FALSE(reverted);
  EXPECT_NE(reverted.error().text().find("damaged"), std::string::npos);
  EXPECT_EQ(*read_file(file()), cold_);
  EXPECT_EQ(list_cold(options_).files[0].state, ColdStatus::State::applied);
}

TEST_F(ColdOnDisk, TakesAllFilesBackWhenOneFails) {
  const fs::path other = root() / "bin" / "other";
  write(other, base_, 0755);
  // The second file passes the checks but cannot be written: its path is not text, which the record needs.
  const fs::path odd = root() / "bin" / "odd\xff";
  write(odd, base_, 0755);
  const ColdRequest requests[] = {request(), request_for(other, "patch-1", base_, cold_),
                                  request_for(odd, "patch-1", base_, cold_)};
  const auto done = apply_cold(requests, options_);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().state(), TargetState::restored);
  EXPECT_EQ(*read_file(file()), base_);
  EXPECT_EQ(*read_file(other), base_);
  EXPECT_TRUE(list_cold(options_).files.empty());
  expect_no_leftovers();
}

TEST_F(ColdOnDisk, KeepsOriginalsWhereOnlyTheirOwnerMayLook) {
  expect_applied(request());
  EXPECT_EQ(snapshot(options_.state_folder / "cold" / "lock").info.st_mode & 077u, 0u);
  struct stat info {};
  ASSERT_EQ(::stat((options_.state_folder / "cold").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0700u);
}

TEST_F(ColdOnDisk, TakesTheStateFolderFromTheEnvironment) {
  ::setenv("SUTURE_STATE_DIR", (root() / "elsewhere").c_str(), 1);
  options_.state_folder.clear();
  expect_applied(request());
  EXPECT_TRUE(fs::exists(root() / "elsewhere" / "cold"));
  ::unsetenv("SUTURE_STATE_DIR");
}

TEST_F(ColdOnDisk, NamesBothBuildsOfAWrongFile) {
  const Bytes program = *read_file("/proc/self/exe");
  write(file(), program, 0755);
  expect_refused_untouched(request(), "abcd");
  const auto done = apply(request());
  EXPECT_NE(done.error().text().find("it has build-id"), std::string::npos) << done.error().text();
}

TEST_F(ColdOnDisk, RefusesAFileWithAnotherName) {
  fs::create_hard_link(file(), root() / "bin" / "twin");
  expect_refused_untouched(request(), "hard links");
}

TEST_F(ColdOnDisk, RefusesAnImmutableFile) {
  const Fd fd(::open(file().c_str(), O_RDONLY));
  int flags = 0;
  if (::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) != 0) GTEST_SKIP() << "a file system without flags";
  int immutable = flags | FS_IMMUTABLE_FL;
  if (::ioctl(fd.get(), FS_IOC_SETFLAGS, &immutable) != 0) GTEST_SKIP() << "may not set flags";
  expect_refused_untouched(request(), "immutable");
  EXPECT_EQ(::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags), 0);
}

// Runs in a child with a mount namespace of its own; the child's failures are the test's.
void in_own_mounts(const std::function<void()> &body) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    constexpr int kSkipped = 77;
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      ::_exit(kSkipped);
    body();
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "may not mount";
  EXPECT_EQ(status, 0);
}

TEST_F(ColdOnDisk, RefusesAFileThatAMountCovers) {
  write(root() / "cover", base_, 0755);
  in_own_mounts([&] {
    EXPECT_EQ(::mount((root() / "cover").c_str(), file().c_str(), nullptr, MS_BIND, nullptr), 0);
    expect_refused_untouched(request(), "covered by a mount");
  });
}

TEST_F(ColdOnDisk, RefusesAReadOnlyFileSystem) {
  in_own_mounts([&] {
    const std::string bin = (root() / "bin").string();
    EXPECT_EQ(::mount(bin.c_str(), bin.c_str(), nullptr, MS_BIND, nullptr), 0);
    EXPECT_EQ(::mount(nullptr, bin.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr), 0);
    expect_refused_untouched(request(), "read-only");
  });
}

TEST_F(ColdOnDisk, FailsCleanlyWhenTheDiskIsFull) {
  in_own_mounts([&] {
    EXPECT_EQ(::mount("tmpfs", (root() / "bin").c_str(), "tmpfs", 0, "size=64k"), 0);
    write(file(), base_, 0755);
    const Bytes large(200000, 7);
    expect_refused_untouched(request_for(file(), "patch-1", base_, large), "No space left", Verdict::failed);
    // And when it is the place for originals that is full.
    const std::string state = (root() / "state").string();
    fs::create_directory(state);
    EXPECT_EQ(::mount("tmpfs", state.c_str(), "tmpfs", 0, "size=8k"), 0);
    const Bytes small(5000, 7);
    const auto done = apply(request_for(file(), "patch-1", base_, small));
    EXPECT_FALSE(done);
    EXPECT_EQ(*read_file(file()), base_);
    expect_no_leftovers();
  });
}

TEST_F(ColdOnDisk, KeepsACopyWhereTheOriginalCannotBeLinked) {
  in_own_mounts([&] {
    fs::create_directory(root() / "state");
    EXPECT_EQ(::mount("tmpfs", (root() / "state").c_str(), "tmpfs", 0, "size=1m"), 0);
    EXPECT_EQ(::chmod(file().c_str(), 04711), 0);
    const Snapshot before = snapshot(file());
    expect_applied(request());
    EXPECT_TRUE(revert_cold("patch-1", options_));
    const Snapshot after = snapshot(file());
    EXPECT_EQ(before.content, after.content);
    expect_same_metadata(before, after);
  });
}

#ifdef SUTURE_FAULT_POINTS
// Kills a child at every point it passes; the next run must find the old or the new file and leave no trace of the
// other.
class ColdKilled : public ColdOnDisk {
 protected:
  // Runs `body` in a child that dies at `fault` (if any); returns the points it passed. Children count passages from
  // where their parent stands, so the parent itself passes none.
  std::vector<std::string> run(const std::string &fault, const std::function<void()> &body) {
    const fs::path trace = root() / "trace";
    fs::remove(trace);
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("SUTURE_FAULT_TRACE", trace.c_str(), 1);
      if (!fault.empty()) ::setenv("SUTURE_FAULT", fault.c_str(), 1);
      body();
      ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(fault.empty() ? status == 0 : WIFSIGNALED(status)) << fault;
    std::vector<std::string> points;
    std::ifstream in(trace);
    for (std::string line; std::getline(in, line);) points.push_back(line);
    return points;
  }
  void expect_old_or_new(const std::string &fault) {
    const Bytes now = *read_file(file());
    EXPECT_TRUE(now == base_ || now == cold_) << fault;
    run("", [&] { EXPECT_TRUE(recover_cold(options_)) << fault; });
    EXPECT_EQ(*read_file(file()), now) << "recovery decides by what is in place";
    const auto files = list_cold(options_).files;
    ASSERT_EQ(files.size(), now == cold_ ? 1u : 0u) << fault;
    for (const ColdStatus &status : files) EXPECT_EQ(status.state, ColdStatus::State::applied);
    EXPECT_EQ(snapshot(file()).info.st_nlink, 1u) << fault;
    expect_no_leftovers();
  }
};

TEST_F(ColdKilled, WhileApplyingLeavesTheOldOrTheNewFile) {
  const auto points = run("", [&] { EXPECT_TRUE(apply(request())); });
  ASSERT_GE(points.size(), 5u);
  run("", [&] { EXPECT_TRUE(revert_cold("patch-1", options_)); });
  for (const std::string &point : points) {
    run(point, [&] { (void)apply(request()); });
    expect_old_or_new(point);
    run("", [&] {
      EXPECT_TRUE(apply(request())) << point;
      EXPECT_TRUE(revert_cold("patch-1", options_)) << point;
    });
    EXPECT_EQ(*read_file(file()), base_);
  }
}

TEST_F(ColdKilled, WhileRevertingLeavesTheOldOrTheNewFile) {
  run("", [&] { EXPECT_TRUE(apply(request())); });
  const auto points = run("", [&] { EXPECT_TRUE(revert_cold("patch-1", options_)); });
  ASSERT_GE(points.size(), 4u);
  for (const std::string &point : points) {
    run("", [&] { EXPECT_TRUE(apply(request())) << point; });
    run(point, [&] { (void)revert_cold("patch-1", options_); });
    expect_old_or_new(point);
    const bool still_new = *read_file(file()) == cold_;
    run("", [&] { EXPECT_EQ(revert_cold("patch-1", options_).has_value(), still_new) << point; });
    EXPECT_EQ(*read_file(file()), base_);
  }
}
#endif

}  // namespace
}  // namespace suture
