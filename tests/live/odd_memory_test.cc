// Processes whose memory is unusual: each is patched and restored to the last byte, or refused and left alone. Numbers
// in comments are the rows of docs/hazards.md.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <functional>
#include <vector>

#include "base/cat.h"
#include "process/process.h"
#include "support/outcome.h"

namespace suture {
namespace {

HotImage new_answer() {
  return make_hot_image("odd_memory", "odd-memory", {{"answer", 2, {}}});
}

struct Oddity {
  const char *mode;
  const char *refusal;  // words of it; null: patched
};

class OddMemory : public testing::TestWithParam<Oddity> {};

TEST_P(OddMemory, IsPatchedWithoutATraceOrRefusedUntouched) {
  TargetProgram target("odd_memory", {GetParam().mode});
  SKIP_UNLESS_SUPPORTED(target);
  if (GetParam().refusal == nullptr)
    expect_applied_and_reverted(target, new_answer());
  else
    expect_refused_untouched(target, new_answer(), GetParam().refusal);
}

INSTANTIATE_TEST_SUITE_P(Modes, OddMemory,
                         testing::Values(Oddity{"filtered", nullptr},             // 13
                                         Oddity{"address_space", "RLIMIT_AS"},    // 15
                                         Oddity{"locked", "RLIMIT_MEMLOCK"},      // 16
                                         Oddity{"map_full", "vm.max_map_count"},  // 18
                                         Oddity{"no_gap", "within 2 GiB"},        // 19
                                         Oddity{"sealed", nullptr},               // 34
                                         Oddity{"shared", "is mapped shared"},    // 35
                                         Oddity{"copied", nullptr},               // 36
                                         Oddity{"mdwe", nullptr},                 // 37
                                         Oddity{"hidden", nullptr},               // 39
                                         Oddity{"odd_name", nullptr}),            // 48
                         [](const auto &odd) { return std::string(odd.param.mode); });

// A memory cgroup of the test's own that holds one process and no room.
class FullGroup {
 public:
  explicit FullGroup(pid_t pid) {
    const bool v2 =
        ::access("/sys/fs/cgroup/memory.stat", F_OK) == 0 || ::access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
    root_ = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    group_ = cat(root_, "/suture-full-", pid);
    const std::string limit = group_ + (v2 ? "/memory.max" : "/memory.limit_in_bytes");
    if (::mkdir(group_.c_str(), 0755) != 0) return;
    usable_ = ::access(limit.c_str(), W_OK) == 0;
    if (!usable_) return;
    put(group_ + "/cgroup.procs", cat(pid));
    put(limit, "4096");
    pid_ = pid;
  }
  ~FullGroup() {
    if (pid_ != 0) put(root_ + "/cgroup.procs", cat(pid_));
    ::rmdir(group_.c_str());
  }
  bool usable() const { return usable_; }

 private:
  static void put(const std::string &file, const std::string &text) { std::ofstream(file) << text << std::flush; }
  pid_t pid_ = 0;
  bool usable_ = false;
  std::string root_, group_;
};

TEST(Refuses, AProcessWhoseMemoryGroupIsFull) {  // 17
  TargetProgram target("odd_memory", {"plain"});
  const FullGroup group(target.pid());
  if (!group.usable()) GTEST_SKIP() << "no writable memory cgroup here";
  expect_refused_untouched(target, new_answer(), "memory cgroup");
}

const std::vector<sock_filter> kAllowsAll = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};

// Runs `work` in a child under a seccomp filter; its exit status is the answer.
int run_under_filter(const std::function<int()> &work, std::vector<sock_filter> code = kAllowsAll) {
  const pid_t child = ::fork();
  if (child < 0) return -1;
  if (child == 0) {
    const sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
      ::_exit(100);
    ::_exit(work());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// As a kernel that forbids it (proc_mem.force_override, CONFIG_PROC_MEM_NO_FORCE) answers a write to the code of
// another through its memory file: the filter goes by the upper half of the address, which is the file offset.
std::vector<sock_filter> forbids_writing_near(RunAddr code) {
  const auto upper = static_cast<uint32_t>(code.value >> 32);
  constexpr auto kOffset = static_cast<uint32_t>(offsetof(seccomp_data, args[3]));
  return {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwrite64, 0, 3),
          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kOffset + sizeof(uint32_t)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, upper, 0, 1),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
}

TEST(Handles, AProcessWhoseCodeIsWritableThroughTheTracerOnly) {  // 38
  TargetProgram target("odd_memory", {"plain"});
  const Snapshot before = take_snapshot(target.pid());
  const Result<Process> process = Process::open(target.pid());
  ASSERT_TRUE(process.has_value());
  const RunAddr code = process->maps()->all().front().range.begin;
  const HotImage hot = new_answer();
  const int applied = run_under_filter(
      [&] {
        if (process->write(code, *process->read_bytes(code, 1))) return 1;
        return apply_hot({&hot}, target.pid(), {}).has_value() ? 0 : 2;
      },
      forbids_writing_near(code));
  ASSERT_EQ(applied, 0);
  EXPECT_EQ(target.ask("report")["answer"], 2);
  const auto revert = [&] { return revert_hot(hot.patch_id, target.pid(), {}).has_value() ? 0 : 2; };
  EXPECT_EQ(run_under_filter(revert, forbids_writing_near(code)), 0);
  EXPECT_EQ(target.ask("report")["answer"], 1);
  expect_same(before, take_snapshot(target.pid()));
}

// The kernel lets nobody who is confined suspend the confinement of others.
TEST(Refuses, AConfinedProcessWhenTheToolIsConfinedItself) {  // 14
  TargetProgram target("odd_memory", {"filtered"});
  const Snapshot before = take_snapshot(target.pid());
  const HotImage hot = new_answer();
  const int outcome = run_under_filter([&] {
    const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
    if (report || report.error().verdict() != Verdict::refused) return 1;
    return report.error().text().find("confined by seccomp") == std::string::npos ? 2 : 0;
  });
  EXPECT_EQ(outcome, 0);
  expect_same(before, take_snapshot(target.pid()));
  EXPECT_EQ(target.ask("report")["answer"], 1);
}

TEST(Handles, AnOrdinaryProcessWhenTheToolIsConfined) {  // 14
  TargetProgram target("odd_memory", {"plain"});
  const HotImage hot = new_answer();
  EXPECT_EQ(run_under_filter([&] { return apply_hot({&hot}, target.pid(), {}).has_value() ? 0 : 1; }), 0);
  EXPECT_EQ(target.ask("report")["answer"], 2);
}

}  // namespace
}  // namespace suture
