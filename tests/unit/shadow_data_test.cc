// Shadow data of include/suture/patch.h, used as a patch's code uses it: from many threads at once, from a signal handler, in a
// child. Each test has keys of its own, since the table is one for the program, as in a patched process.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <set>
#include <thread>
#include <vector>

#include "suture/patch.h"

namespace suture {
namespace {

struct Thing {
  long field;
};

int fill(void *object, void *data, void *argument) {
  *static_cast<long *>(data) = static_cast<Thing *>(object)->field + *static_cast<long *>(argument);
  return 0;
}
int refuse(void * /*object*/, void * /*data*/, void * /*argument*/) { return 1; }
int count_up(void * /*object*/, void *data, void *argument) {
  static_cast<std::atomic<int> *>(argument)->fetch_add(1);
  *static_cast<int *>(data) = 7;
  return 0;
}

TEST(ShadowData, IsZeroTheFirstTimeAndTheSameThereafter) {
  Thing things[2] = {};
  auto *first = static_cast<unsigned char *>(suture_shadow_get(&things[0], 1, 100, nullptr, nullptr));
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 16, 0u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(first[i], 0) << i;
  first[99] = 5;
  EXPECT_EQ(suture_shadow_get(&things[0], 1, 100, nullptr, nullptr), first);
  EXPECT_EQ(suture_shadow_find(&things[0], 1), first);
  EXPECT_EQ(suture_shadow_find(&things[1], 1), nullptr) << "another object";
  EXPECT_EQ(suture_shadow_find(&things[0], 2), nullptr) << "another number";
  EXPECT_NE(suture_shadow_get(&things[0], 2, 100, nullptr, nullptr), first);
}

TEST(ShadowData, IsMadeByItsInitOrNotAtAll) {
  Thing thing{40};
  long more = 2;
  const auto *data = static_cast<long *>(suture_shadow_get(&thing, 10, sizeof(long), fill, &more));
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(*data, 42);
  more = 3;
  EXPECT_EQ(suture_shadow_get(&thing, 10, sizeof(long), fill, &more), data);
  EXPECT_EQ(*data, 42) << "made twice";
  EXPECT_EQ(suture_shadow_get(&thing, 11, sizeof(long), refuse, nullptr), nullptr);
  EXPECT_EQ(suture_shadow_find(&thing, 11), nullptr);
}

TEST(ShadowData, OfAFreedObjectIsGoneAndItsMemoryComesBackZero) {
  Thing thing{};
  auto *data = static_cast<long *>(suture_shadow_get(&thing, 20, 64, nullptr, nullptr));
  ASSERT_NE(data, nullptr);
  for (int i = 0; i < 8; ++i) data[i] = -1;
  suture_shadow_free(&thing, 20);
  suture_shadow_free(&thing, 20);
  EXPECT_EQ(suture_shadow_find(&thing, 20), nullptr);
  auto *again = static_cast<long *>(suture_shadow_get(&thing, 20, 64, nullptr, nullptr));
  EXPECT_EQ(again, data) << "memory is not used again";
  for (int i = 0; i < 8; ++i) EXPECT_EQ(again[i], 0) << i;
}

TEST(ShadowData, HoldsManyObjectsAndLargeData) {
  std::vector<Thing> things(20000);
  for (size_t i = 0; i < things.size(); ++i) {
    auto *data = static_cast<size_t *>(suture_shadow_get(&things[i], 30, sizeof(size_t), nullptr, nullptr));
    ASSERT_NE(data, nullptr);
    *data = i;
  }
  auto *large = static_cast<char *>(suture_shadow_get(things.data(), 31, 3 << 20, nullptr, nullptr));
  ASSERT_NE(large, nullptr);
  large[(3 << 20) - 1] = 1;
  for (size_t i = 0; i < things.size(); ++i) ASSERT_EQ(*static_cast<size_t *>(suture_shadow_find(&things[i], 30)), i);
  EXPECT_EQ(suture_shadow_get(things.data(), 32, size_t{1} << 40, nullptr, nullptr), nullptr);
}

TEST(ShadowData, OfOneNumberCanBeVisited) {
  Thing things[50] = {};
  for (Thing &thing : things) ASSERT_NE(suture_shadow_get(&thing, 40, 8, nullptr, nullptr), nullptr);
  suture_shadow_free(&things[7], 40);
  std::set<void *> seen;
  const auto visit = [](void *object, void * /*data*/, void *argument) {
    static_cast<std::set<void *> *>(argument)->insert(object);
    return 0;
  };
  EXPECT_EQ(suture_shadow_each(40, visit, &seen), 0);
  EXPECT_EQ(seen.size(), 49u);
  EXPECT_FALSE(seen.contains(&things[7]));
  EXPECT_EQ(suture_shadow_each(40, refuse, nullptr), 1) << "a visit that returns other than 0 is the last";
}

TEST(ShadowData, IsMadeOnceHoweverManyThreadsAsk) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 3000;
  std::vector<Thing> things(kRounds);
  std::vector<std::atomic<int>> made(kRounds);
  std::vector<void *> got[kThreads];
  std::barrier<> together(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        const auto index = static_cast<size_t>(round);
        if (round % 50 == 0) together.arrive_and_wait();
        got[t].push_back(suture_shadow_get(&things[index], 50, 24, count_up, &made[index]));
      }
    });
  for (std::thread &thread : threads) thread.join();
  for (size_t round = 0; round < kRounds; ++round) {
    ASSERT_NE(got[0][round], nullptr);
    EXPECT_EQ(made[round], 1) << "object " << round;
    for (int t = 1; t < kThreads; ++t) ASSERT_EQ(got[t][round], got[0][round]) << "object " << round;
  }
}

// Each thread owns its objects; slots of one chain are freed and claimed by all of them at once.
TEST(ShadowData, NeverMixesObjectsThatComeAndGoOnManyThreads) {
  constexpr int kThreads = 8;
  constexpr int kObjects = 64;
  static Thing things[kObjects][kThreads];  // neighbours share a chain
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int round = 0; round < 20000; ++round) {
        Thing &thing = things[round % kObjects][t];
        auto *data = static_cast<Thing **>(suture_shadow_get(&thing, 60, sizeof(Thing *), nullptr, nullptr));
        if (data == nullptr || *data != nullptr) ++wrong;
        else *data = &thing;
        if (data == nullptr || suture_shadow_find(&thing, 60) != data || *data != &thing) ++wrong;
        suture_shadow_free(&thing, 60);
        if (suture_shadow_find(&thing, 60) != nullptr) ++wrong;
      }
    });
  for (std::thread &thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

Thing handled;
std::atomic<long> handler_runs{0};
void use_in_handler(int /*signal*/) {
  auto *data = static_cast<long *>(suture_shadow_get(&handled, 70, sizeof(long), nullptr, nullptr));
  if (data != nullptr) ++*data;
  ++handler_runs;
}

TEST(ShadowData, CanBeUsedInSignalHandlersThatInterruptIt) {
  struct sigaction action {};
  action.sa_handler = use_in_handler;
  struct sigaction before {};
  sigaction(SIGUSR1, &action, &before);
  std::atomic<bool> stop{false};
  const pthread_t self = pthread_self();
  std::thread sender([&] {
    while (!stop) pthread_kill(self, SIGUSR1);
  });
  std::vector<Thing> things(1000);
  size_t missing = 0;
  for (size_t i = 0; handler_runs < 500; ++i) {
    missing += suture_shadow_get(&things[i % 1000], 70, 16, nullptr, nullptr) == nullptr ? 1 : 0;
    suture_shadow_free(&things[(i + 500) % 1000], 70);
  }
  stop = true;
  sender.join();
  signal(SIGUSR1, SIG_IGN);  // discards what is pending
  sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(missing, 0u);
  const auto *data = static_cast<long *>(suture_shadow_find(&handled, 70));
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(*data, handler_runs) << "a handler got other data, or none";
}

TEST(ShadowData, OfAForkedChildIsItsOwnCopy) {
  Thing thing{};
  auto *data = static_cast<long *>(suture_shadow_get(&thing, 80, sizeof(long), nullptr, nullptr));
  ASSERT_NE(data, nullptr);
  *data = 1;
  const pid_t child = fork();
  if (child == 0) {
    auto *own = static_cast<long *>(suture_shadow_find(&thing, 80));
    const bool same = own != nullptr && *own == 1;
    if (own != nullptr) *own = 2;
    const bool made = suture_shadow_get(&thing, 81, 8, nullptr, nullptr) != nullptr;
    _exit(same && made ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(*data, 1);
}

// A thread that never finishes (in a hook: one that is stopped) must not hang the others.
TEST(ShadowData, AskedForInItsOwnInitIsRefusedRatherThanWaitedForForEver) {
  Thing thing{};
  void *inner = &thing;
  const auto ask_again = [](void *object, void * /*data*/, void *argument) {
    *static_cast<void **>(argument) = suture_shadow_get(object, 90, 8, nullptr, nullptr);
    return 0;
  };
  EXPECT_NE(suture_shadow_get(&thing, 90, 8, ask_again, &inner), nullptr);
  EXPECT_EQ(inner, nullptr);
}

TEST(Hooks, AreCountedAndTheirFirstRefusalIsKept) {
  suture_hook_count count{};
  suture_run_hook_(&count, [] { return 0; });
  suture_run_hook_(&count, [] { return 4; });
  suture_run_hook_(&count, [] { return 5; });
  EXPECT_EQ(count.begun, 3u);
  EXPECT_EQ(count.done, 3u);
  EXPECT_EQ(count.refusal, 4);
}

}  // namespace
}  // namespace suture
