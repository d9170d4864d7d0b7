// Which process and which image: told from the memory of the process, whatever its files, names and numbers say. Numbers in
// comments are the rows of docs/hazards.md.
#include <linux/sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/cat.h"
#include "base/file.h"
#include "process/modules.h"
#include "process/process.h"
#include "process/symbols.h"
#include "support/outcome.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

HotImage new_answer(const std::string &target = "worker") {
  return make_hot_image(target, "identity", {{"answer", 2, {}}});
}

class Identity : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = TempDir::create("suture-identity");
    ASSERT_TRUE(folder.has_value());
    folder_.emplace(std::move(*folder));
  }
  fs::path path(const std::string &name) const { return folder_->path() / name; }
  std::string copy_of_worker(const std::string &name) const {
    fs::copy_file(TargetProgram::path_of("worker"), path(name));
    return path(name).string();
  }
  std::optional<TempDir> folder_;
};

TEST_F(Identity, AFileThatWasDeletedIsNotNeeded) {  // 30
  TargetProgram target(copy_of_worker("deleted"), {"spin", "1"});
  fs::remove(path("deleted"));
  expect_applied_and_reverted(target, new_answer());
}

TEST_F(Identity, AFileThatWasReplacedIsNotLookedAt) {  // 30
  TargetProgram target(copy_of_worker("replaced"), {"spin", "1"});
  fs::copy_file("/bin/true", path("new"));
  fs::rename(path("new"), path("replaced"));
  expect_applied_and_reverted(target, new_answer());
}

TEST_F(Identity, NamesThatLookLikeSomethingElseAreOnlyNames) {  // 48
  TargetProgram target(copy_of_worker("7f00-8000 r-xp\n[stack] (deleted)"), {"spin", "1"});
  expect_applied_and_reverted(target, new_answer());
}

// A root of its own, in which the path of the program leads to a file of the host by a symbolic link once the program runs.
TEST_F(Identity, AProcessInAnotherRootIsPatchedByItsMemory) {  // 31, 32
  const std::string libraries = "/lib/x86_64-linux-gnu";
  for (const char *folder : {"lib64", "lib/x86_64-linux-gnu"}) fs::create_directories(path(folder));
  fs::copy_file("/lib64/ld-linux-x86-64.so.2", path("lib64/ld-linux-x86-64.so.2"));
  fs::copy_file(libraries + "/libc.so.6", path("lib/x86_64-linux-gnu/libc.so.6"));
  copy_of_worker("program");
  TargetProgram target("/usr/sbin/chroot", {folder_->path().string(), "/program", "spin", "1"});
  fs::remove(path("program"));
  fs::create_symlink("/bin/true", path("program"));
  expect_applied_and_reverted(target, new_answer());
}

TEST_F(Identity, AProcessInAnotherMountNamespaceIsPatchedByItsMemory) {  // 31
  fs::create_directory(path("over"));
  copy_of_worker("over/program");
  // The program's path, as its map has it, leads nowhere on the host.
  const std::string run = cat("mount --bind ", path("over").string(), " /mnt && exec /mnt/program spin 1");
  TargetProgram target("/usr/bin/unshare", {"--mount", "/bin/sh", "-c", run});
  ASSERT_FALSE(fs::exists("/mnt/program"));
  expect_applied_and_reverted(target, new_answer());
}

TEST_F(Identity, EveryCopyOfALibraryIsPatched) {  // 33
  TargetProgram target("copies", {TargetProgram::path_of("answer_lib.so")});
  SKIP_UNLESS_SUPPORTED(target);
  const HotImage hot = new_answer("answer_lib.so");
  const Snapshot before = take_snapshot(target.pid());
  const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
  ASSERT_TRUE(report.has_value()) << report.error().text();
  std::map<std::string, long> now = target.ask("report");
  EXPECT_EQ(now["answer"], 2);
  EXPECT_EQ(now["other"], 2);
  ASSERT_TRUE(revert_hot(hot.patch_id, target.pid(), {}).has_value());
  now = target.ask("report");
  EXPECT_EQ(now["answer"], 1);
  EXPECT_EQ(now["other"], 1);
  expect_same(before, take_snapshot(target.pid()));
}

TEST_F(Identity, ALibraryThatWasLoadedAgainIsNotTakenForPatched) {
  TargetProgram target("reloads", {TargetProgram::path_of("answer_lib.so")});
  SKIP_UNLESS_SUPPORTED(target);
  const HotImage hot = new_answer("answer_lib.so");
  ASSERT_TRUE(apply_hot({&hot}, target.pid(), {}).has_value());
  EXPECT_EQ(target.ask("report")["answer"], 2);
  EXPECT_EQ(target.ask("reload")["answer"], 1);
  const Result<std::vector<AppliedPatch>> applied = read_applied(target.pid());
  ASSERT_TRUE(applied.has_value());
  for (const AppliedPatch &patch : *applied) EXPECT_NE(patch.state, AppliedPatch::State::applied);
  ASSERT_TRUE(apply_hot({&hot}, target.pid(), {}).has_value());
  EXPECT_EQ(target.ask("report")["answer"], 2);
  ASSERT_TRUE(revert_hot(hot.patch_id, target.pid(), {}).has_value());
  EXPECT_EQ(target.ask("report")["answer"], 1);
}

TEST_F(Identity, SymbolsAreFoundThroughTheOldStyleOfHashToo) {
  TargetProgram target("copies", {TargetProgram::path_of("answer_lib.so")});
  SKIP_UNLESS_SUPPORTED(target);
  const HotImage hot = new_answer("answer_lib.so");
  const Result<Process> process = Process::open(target.pid());
  ASSERT_TRUE(process.has_value());
  const Result<std::vector<Module>> modules = find_modules(*process, *process->maps());
  ASSERT_TRUE(modules.has_value());
  size_t found = 0;
  for (const Module &module : *modules) {
    if (module.id != hot.base_id) continue;
    const auto answer = find_symbol_in(*process, *modules, module, {"answer", ""});
    ASSERT_TRUE(answer.has_value() && answer->has_value());
    EXPECT_EQ(**answer, module.bias.to_run(hot.redirects[0].old_entry));
    const auto nothing = find_symbol_in(*process, *modules, module, {"answers", ""});
    EXPECT_TRUE(nothing.has_value() && !nothing->has_value());
    ++found;
  }
  EXPECT_EQ(found, 2u);
}

TEST_F(Identity, AStaticProgramHasNoLoaderAndNeedsNone) {  // 44
  TargetProgram target("worker_static", {"spin", "2"});
  expect_applied_and_reverted(target, new_answer("worker_static"));
}

TEST_F(Identity, AnotherProgramInTheSameProcessIsNeverWrittenTo) {  // 28
  TargetProgram target("/bin/sh", {"-c", cat("echo ready; read line; exec ", TargetProgram::path_of("worker"), " idle 1")});
  const Result<Process> before = Process::open(target.pid());
  ASSERT_TRUE(before.has_value());
  const RunAddr code = before->maps()->all().front().range.begin;
  EXPECT_TRUE(before->same_program());
  target.ask("go on");  // reads the new program's "ready"
  EXPECT_FALSE(before->same_program());
  EXPECT_FALSE(before->write(code, Bytes{0}).has_value());
  expect_applied_and_reverted(target, new_answer());
}

pid_t start_with_number(pid_t pid) {
  clone_args arguments{};
  arguments.exit_signal = SIGCHLD;
  arguments.set_tid = reinterpret_cast<uint64_t>(&pid);
  arguments.set_tid_size = 1;
  const long child = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == 0)
    for (;;) ::pause();
  return static_cast<pid_t>(child);
}

TEST_F(Identity, AnotherProcessOfTheSameNumberIsNeverWrittenTo) {  // 29
  std::optional<Result<Process>> before;
  pid_t pid = 0;
  {
    TargetProgram target("worker", {"idle", "1"});
    pid = target.pid();
    before = Process::open(pid);
    ASSERT_TRUE(before->has_value());
  }
  const pid_t reused = start_with_number(pid);
  if (reused < 0) GTEST_SKIP() << "this kernel does not let us choose the number of a process";
  ASSERT_EQ(reused, pid);
  const RunAddr code = Process::open(pid)->maps()->all().front().range.begin;
  EXPECT_FALSE((*before)->same_program());
  EXPECT_FALSE((*before)->write(code, Bytes{0}).has_value());
  const HotImage hot = new_answer();
  const Result<ApplyReport> report = apply_hot({&hot}, pid, {});
  ASSERT_FALSE(report.has_value());
  EXPECT_NE(report.error().text().find("does not run"), std::string::npos) << report.error().text();
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

TEST_F(Identity, AProcessThatHasExitedButWasNotCollectedIsRefused) {  // 47
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_GT(child, 0);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  const HotImage hot = new_answer();
  const Result<ApplyReport> report = apply_hot({&hot}, child, {});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().verdict(), Verdict::refused) << report.error().text();
  EXPECT_NE(report.error().text().find("zombie"), std::string::npos) << report.error().text();
  ::waitpid(child, nullptr, 0);
}

TEST_F(Identity, ChildrenBornDuringTheSearchAreFound) {  // 27
  TargetProgram target("odd_threads", {"forks"});
  const pid_t child = static_cast<pid_t>(target.ask("report")["extra"]);
  const std::vector<pid_t> found = processes_mapping(new_answer("odd_threads").base_id);
  for (const pid_t wanted : {target.pid(), child}) EXPECT_NE(std::find(found.begin(), found.end(), wanted), found.end()) << wanted;
}

TEST_F(Identity, AnotherUsersProcessIsRefusedToThoseWithoutPermission) {  // 39
  TargetProgram target("worker", {"idle", "1"});
  const Snapshot before = take_snapshot(target.pid());
  const HotImage hot = new_answer();
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(100);
    const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
    ::_exit(!report && report.error().text().find("no permission") != std::string::npos ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 100) GTEST_SKIP() << "not root: cannot become another user";
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  expect_same(before, take_snapshot(target.pid()));
}

}  // namespace
}  // namespace suture
