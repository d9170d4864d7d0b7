#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "package/contained.h"
#include "package/flat.h"
#include "package/package_test_support.h"

namespace suture {
namespace {

constexpr uint64_t kLimit = 1 << 20;

std::string outcome_of(const std::function<void()> &attempt) {
  const auto result = run_contained(
      [&] {
        attempt();
        return Bytes{'o', 'k'};
      },
      kLimit);
  return result ? std::string(as_text(*result)) : result.error().what();
}

// strsignal() of SIGSYS.
constexpr const char *kKilledByFilter = "it made its parser die of signal 31 (Bad system call)";

TEST(Contained, ReturnsWhatTheWorkReturns) {
  EXPECT_EQ(outcome_of([] {}), "ok");
}

TEST(Contained, MayUseMemoryAndThrow) {
  EXPECT_EQ(outcome_of([] {
              std::vector<Bytes> blocks;
              for (size_t i = 1; i < 200; ++i) blocks.emplace_back(i * 10000, 1);
              try {
                throw std::string("thrown inside");
              } catch (const std::string &) {
              }
            }),
            "ok");
}

TEST(Contained, CannotOpenConnectForkExecKillTraceOrMapCode) {
  const std::function<void()> attempts[] = {
      [] { (void)::open("/etc/passwd", O_RDONLY); },
      [] { (void)::socket(AF_INET, SOCK_STREAM, 0); },
      [] { (void)::fork(); },
      [] { (void)::execl("/bin/true", "true", nullptr); },
      [] { (void)::kill(1, 0); },
      [] { (void)::syscall(SYS_ptrace, 0, 0, 0, 0); },
      [] { (void)::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); },
      [] { (void)::syscall(SYS_setresuid, 0, 0, 0); },
      [] { (void)::syscall(0x40000000 + SYS_write, 1, "x", 1); },  // the x32 numbers
  };
  for (size_t i = 0; i < std::size(attempts); ++i) EXPECT_EQ(outcome_of(attempts[i]), kKilledByFilter) << i;
}

TEST(Contained, IsCorruptInputWhenTheParserCrashes) {
  const auto result = run_contained(
      [] {
        ::signal(SIGSEGV, SIG_DFL);
        __builtin_trap();
        return Bytes();
      },
      kLimit);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().verdict(), Verdict::corrupt);
}

TEST(Contained, IsStoppedWhenItSendsTooMuch) {
  const auto result = run_contained([] { return Bytes(kLimit + 1, 0); }, kLimit);
  ASSERT_FALSE(result);
}

TEST(Flat, CarriesPackagesAndErrorsBothWays) {
  const Package package = testing_support::sample_package();
  const auto back = unflatten(flatten(package));
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(*back, package);
  const auto error = unflatten(flatten(Error::refused("what").during("inner").during("outer").with_next("next")));
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error().text(), Error::refused("what").during("inner").during("outer").with_next("next").text());
  EXPECT_EQ(error.error().verdict(), Verdict::refused);
}

TEST(Flat, RefusesEveryTruncation) {
  Package package = testing_support::sample_package();
  package.images[0].cold.resize(10);
  package.images[0].hot.resize(10);
  const Bytes whole = flatten(package);
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(unflatten(ByteView(whole).first(size))) << size;
}

TEST(Flat, RefusesWhatBreaksThePackagesRules) {
  Package package = testing_support::sample_package();
  package.images[0].path = "/\x1b[2J";
  EXPECT_FALSE(unflatten(flatten(package)));
}

}  // namespace
}  // namespace suture
