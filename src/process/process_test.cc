#include "process/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/interrupted_call.h"

namespace suture {
namespace {

TEST(ParseStat, IsNotFooledByParenthesesInTheCommandName) {
  const auto stat = parse_stat("7 (a) R 1 (b) S 1 7 7 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 99887 1000 10\n");
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->flags, 4194560u);
  EXPECT_EQ(stat->start_time, 99887u);
  EXPECT_FALSE(parse_stat("7 (a) S 1 2").has_value());
  EXPECT_FALSE(parse_stat("").has_value());
}

TEST(StatusField, FindsWholeNamesOnly) {
  const std::string_view text = "Name:\tx\nTracerPid:\t12\nThreads:\t3\n";
  EXPECT_EQ(status_number(text, "TracerPid"), 12u);
  EXPECT_EQ(status_number(text, "Pid"), std::nullopt);
  EXPECT_EQ(status_field(text, "Name"), "x");
}

TEST(Process, ReadsAndWritesReadOnlyMemoryOfAnother) {
  static const volatile char constant[] = "constant text";
  const pid_t child = ::fork();
  if (child == 0)
    for (;;) ::pause();
  const Result<Process> process = Process::open(child);
  ASSERT_TRUE(process.has_value()) << process.error().text();
  const RunAddr at(reinterpret_cast<uint64_t>(&constant[0]));
  const Result<Bytes> bytes = process->read_bytes(at, 8);
  ASSERT_TRUE(bytes.has_value());
  EXPECT_EQ(as_text(*bytes), "constant");
  ASSERT_TRUE(process->write(at, as_bytes("CONSTANT")).has_value());
  EXPECT_EQ(as_text(*process->read_bytes(at, 8)), "CONSTANT");
  EXPECT_EQ(constant[0], 'c');  // ours is untouched
  EXPECT_TRUE(process->same_program());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(process->same_program());
  EXPECT_FALSE(process->read_bytes(at, 8).has_value());
}

TEST(Process, IsClaimedByOneAtATimeUntilTheClaimantGoes) {
  const pid_t child = ::fork();
  if (child == 0)
    for (;;) ::pause();
  const Result<Process> second = Process::open(child);
  ASSERT_TRUE(second.has_value()) << second.error().text();
  {
    const Result<Process> first = Process::open(child);
    ASSERT_TRUE(first.has_value() && first->claim(Deadline::in_ms(0)).has_value());
    const Status refused = second->claim(Deadline::in_ms(5));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().verdict(), Verdict::refused);
  }
  EXPECT_TRUE(second->claim(Deadline::in_ms(0)).has_value());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST(Process, ReadManyMarksOnlyTheUnreadablePieces) {
  const Result<Process> self = Process::open(::getpid());
  ASSERT_TRUE(self.has_value()) << self.error().text();
  const uint64_t value = 42;
  uint64_t first = 0;
  uint64_t hole = 0;
  uint64_t last = 0;
  const auto piece = [](RunAddr at, uint64_t &out) {
    return ReadPiece{at, {reinterpret_cast<uint8_t *>(&out), sizeof out}};
  };
  const RunAddr there(reinterpret_cast<uint64_t>(&value));
  std::array<ReadPiece, 3> pieces = {piece(there, first), piece(RunAddr(8), hole), piece(there, last)};
  self->read_many(pieces);
  EXPECT_EQ(first, 42u);
  EXPECT_EQ(pieces[1].read_bytes, 0u);
  EXPECT_EQ(last, 42u);
  EXPECT_EQ(pieces[2].read_bytes, 8u);
}

TEST(Process, RefusesKernelThreadsAndZombiesAndSaysWhenGone) {
  const Result<Process> kernel = Process::open(2);
  if (kernel || kernel.error().what().find("gone") == std::string::npos) {  // no kthreadd in a pid namespace
    ASSERT_FALSE(kernel.has_value());
    EXPECT_EQ(kernel.error().verdict(), Verdict::refused);
  }
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  const Result<Process> zombie = Process::open(child);
  ASSERT_FALSE(zombie.has_value());
  EXPECT_NE(zombie.error().what().find("zombie"), std::string::npos);
  ::waitpid(child, nullptr, 0);
  const Result<Process> gone = Process::open(child);
  ASSERT_FALSE(gone.has_value());
  EXPECT_NE(gone.error().what().find("gone"), std::string::npos);
}

TEST(InterruptedCall, IsHiddenForCallsThatAnswerEintrToAStopAndNoOthers) {
  Registers registers{};
  registers.orig_rax = 232;  // epoll_wait
  registers.rax = static_cast<uint64_t>(-4);
  EXPECT_TRUE(hide_interruption(registers));
  EXPECT_EQ(static_cast<int64_t>(registers.rax), -514);
  EXPECT_TRUE(restarts_call(registers));
  registers.orig_rax = 42;  // connect
  registers.rax = static_cast<uint64_t>(-4);
  EXPECT_FALSE(hide_interruption(registers));
  registers.orig_rax = static_cast<uint64_t>(-1);
  EXPECT_FALSE(hide_interruption(registers));
  EXPECT_FALSE(restarts_call(registers));
}

}  // namespace
}  // namespace suture
