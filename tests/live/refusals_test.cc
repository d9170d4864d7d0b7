// What apply refuses, each with one clear message and nothing changed.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "apply/apply.h"
#include "base/file.h"
#include "process/deadline.h"
#include "process/process.h"
#include "process/tracee.h"
#include "support/target_program.h"

namespace suture {
namespace {

HotImage patch(const std::string &id = "refused") {
  return make_hot_image("worker", id, {{"answer", 2, {}}});
}

void expect_refused(const Result<ApplyReport> &report, std::string_view words) {
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().verdict(), Verdict::refused) << report.error().text();
  EXPECT_NE(report.error().text().find(words), std::string::npos) << report.error().text();
}

// Applies, expects a refusal with these words, and that nothing changed.
void expect_refusal(TargetProgram &target, const HotImage &hot, std::string_view words, ApplyOptions options = {}) {
  const std::string before = target.maps();
  expect_refused(apply_hot({&hot}, target.pid(), options), words);
  EXPECT_EQ(target.maps(), before);
  EXPECT_EQ(target.ask("report")["answer"], 1);
}

TEST(Refuses, AnImageThatTheProcessDoesNotRun) {
  TargetProgram target("worker", {"idle", "1"});
  HotImage hot = patch();
  hot.base_id.bytes[0] ^= 1;
  expect_refusal(target, hot, "does not run");
}

TEST(Refuses, BytesThatDifferFromTheBuildShowingThem) {
  TargetProgram target("worker", {"idle", "1"});
  HotImage hot = patch();
  hot.validations[0].expected[1] ^= 0x40;
  expect_refusal(target, hot, "answer: bytes at");
}

TEST(Refuses, AJumpThatSomebodyElsePutThere) {
  TargetProgram target("worker", {"idle", "1"});
  const HotImage hot = patch();
  const Result<Process> process = Process::open(target.pid());
  ASSERT_TRUE(process.has_value());
  std::ifstream lines("/proc/" + std::to_string(target.pid()) + "/maps");
  std::string first;
  std::getline(lines, first);
  const RunAddr site(std::stoull(first, nullptr, 16) + hot.redirects[0].site.value);
  const Bytes original = *process->read_bytes(site, 5);
  ASSERT_TRUE(process->write(site, Bytes{0xe9, 0, 0, 0, 0}).has_value());
  expect_refused(apply_hot({&hot}, target.pid(), {}), "e900000000");
  ASSERT_TRUE(process->write(site, original).has_value());
}

TEST(Refuses, AFunctionShorterThanTheRedirect) {
  TargetProgram target("worker", {"idle", "1"});
  HotImage hot = patch();
  hot.redirects[0].room_bytes = 4;
  expect_refusal(target, hot, "shorter");
}

TEST(Refuses, AMissingImport) {
  TargetProgram target("worker", {"idle", "1"});
  HotImage hot = patch();
  hot.imports.push_back({"no_such_symbol_anywhere", "", false});
  hot.fixups.push_back({Fixup::Kind::import_abs64, PatchOffset(kHotHeaderBytes), 0});
  expect_refusal(target, hot, "no_such_symbol_anywhere");
}

TEST(Refuses, AMissingRequirement) {
  TargetProgram target("worker", {"idle", "1"});
  ApplyOptions options;
  options.requires_ids = {"first-this"};
  expect_refusal(target, patch(), "first-this", options);
}

TEST(Refuses, AProcessThatIsTracedNamingTheTracer) {
  TargetProgram target("worker", {"idle", "1"});
  const pid_t tracer = ::fork();
  if (tracer == 0) {
    ::ptrace(PTRACE_SEIZE, target.pid(), nullptr, nullptr);
    for (;;) ::pause();
  }
  const std::string wanted = "TracerPid:\t" + std::to_string(tracer);
  const std::string status = "/proc/" + std::to_string(target.pid()) + "/status";
  while (read_text(status)->find(wanted) == std::string::npos) ::usleep(1000);
  expect_refusal(target, patch(), "traced by process " + std::to_string(tracer));
  ::kill(tracer, SIGKILL);
  ::waitpid(tracer, nullptr, 0);
}

TEST(Refuses, AProcessThatIsGone) {
  pid_t pid = 0;
  {
    TargetProgram target("worker", {"idle", "1"});
    pid = target.pid();
  }
  const HotImage hot = patch();
  const Result<ApplyReport> report = apply_hot({&hot}, pid, {});
  ASSERT_FALSE(report.has_value());
  EXPECT_NE(report.error().text().find("gone"), std::string::npos) << report.error().text();
}

TEST(Refuses, RevertingWhatIsNotThere) {
  TargetProgram target("worker", {"idle", "1"});
  expect_refused(revert_hot("never-applied", target.pid(), {}), "is not in process");
}

// A cgroup of the test's own that freezes one process; v2 or the freezer of v1, whichever this machine has.
class Freezer {
 public:
  explicit Freezer(pid_t pid) : pid_(pid) {
    v2_ = read_text("/sys/fs/cgroup/cgroup.controllers").has_value();
    root_ = v2_ ? "/sys/fs/cgroup" : "/sys/fs/cgroup/freezer";
    group_ = root_ + "/suture-test-" + std::to_string(pid);
    const char *file = v2_ ? "/cgroup.freeze" : "/freezer.state";
    usable_ = ::mkdir(group_.c_str(), 0755) == 0 && ::access((group_ + file).c_str(), W_OK) == 0;
    if (usable_) put(group_ + "/cgroup.procs", std::to_string(pid_));
  }
  ~Freezer() {
    if (usable_) put(root_ + "/cgroup.procs", std::to_string(pid_));
    ::rmdir(group_.c_str());
  }
  bool usable() const { return usable_; }
  void freeze() {
    put(group_ + (v2_ ? "/cgroup.freeze" : "/freezer.state"), v2_ ? "1" : "FROZEN");
    const std::string file = group_ + (v2_ ? "/cgroup.events" : "/freezer.state");
    while (read_text(file)->find(v2_ ? "frozen 1" : "FROZEN") == std::string::npos) ::usleep(1000);
  }
  void thaw() { put(group_ + (v2_ ? "/cgroup.freeze" : "/freezer.state"), v2_ ? "0" : "THAWED"); }

 private:
  static void put(const std::string &file, const std::string &text) { std::ofstream(file) << text << std::flush; }
  pid_t pid_;
  bool v2_ = false;
  bool usable_ = false;
  std::string root_;
  std::string group_;
};

TEST(Refuses, AFrozenProcess) {
  TargetProgram target("worker", {"idle", "1"});
  Freezer freezer(target.pid());
  if (!freezer.usable()) GTEST_SKIP() << "no writable cgroup with a freezer here";
  freezer.freeze();
  const HotImage hot = patch();
  expect_refused(apply_hot({&hot}, target.pid(), {}), "frozen");
  freezer.thaw();
  EXPECT_EQ(target.ask("report")["answer"], 1);
}

// A thread that is let go in a group stop is woken by the kernel to enter that stop again (__ptrace_unlink: it sets
// JOBCTL_STOP_PENDING and wakes it), without returning to user mode: for a moment it reads as running.
bool becomes_stopped(pid_t pid) {
  constexpr uint64_t kPatienceMs = 10000;
  for (const Deadline until = Deadline::in_ms(kPatienceMs); !until.passed(); ::usleep(100)) {
    const Result<std::string> status = read_text("/proc/" + std::to_string(pid) + "/status");
    if (status && status->find("State:\tT") != std::string::npos) return true;
  }
  return false;
}

TEST(Handles, AStoppedProcessWhichStaysStopped) {
  TargetProgram target("worker", {"spin", "2"});
  ::kill(target.pid(), SIGSTOP);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(target.pid()), &info, WSTOPPED);
  const HotImage hot = patch("stopped");
  const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
  ASSERT_TRUE(report.has_value()) << report.error().text();
  EXPECT_TRUE(becomes_stopped(target.pid()));
  ::kill(target.pid(), SIGCONT);
  EXPECT_EQ(target.ask("report")["answer"], 2);
  EXPECT_TRUE(target.makes_progress());
}

TEST(Handles, ADryRunThatChangesNothing) {
  TargetProgram target("worker", {"idle", "1"});
  const std::string before = target.maps();
  ApplyOptions options;
  options.dry_run = true;
  const HotImage hot = patch();
  const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), options);
  ASSERT_TRUE(report.has_value()) << report.error().text();
  EXPECT_EQ(report->outcome, ApplyReport::Outcome::would_apply);
  EXPECT_EQ(target.maps(), before);
}

TEST(Handles, AKernelWithoutNamesAndWithoutMemoryFiles) {
  TargetProgram target("worker", {"spin", "1"});
  ApplyOptions options;
  options.naming = Naming::vma_name;  // on kernels without names: plain anonymous memory
  const HotImage hot = patch("anonymous");
  const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), options);
  ASSERT_TRUE(report.has_value()) << report.error().text();
  ASSERT_EQ(read_applied(target.pid())->size(), 1u);
  ASSERT_TRUE(revert_hot("anonymous", target.pid(), {}).has_value());
  EXPECT_EQ(target.ask("report")["answer"], 1);
}

TEST(FindsProcesses, ThatMapAnImage) {
  TargetProgram target("worker", {"idle", "1"});
  const HotImage hot = patch();
  const std::vector<pid_t> pids = processes_mapping(hot.base_id);
  EXPECT_NE(std::find(pids.begin(), pids.end(), target.pid()), pids.end());
  EXPECT_EQ(std::find(pids.begin(), pids.end(), ::getpid()), pids.end());
}

}  // namespace
}  // namespace suture
