// A program to be patched. Threads call the functions below all the time and check what comes back; commands arrive on
// stdin, one a line:
//   report    prints "calls=N new=N old_after_new=N torn=N wrong=N wrong_values=N gap_us=N answer=N second=N inside=N"; wrong
//             counts wrong values and calls that returned early, late or interrupted
//   quit
// Usage: worker MODE THREADS. Modes: spin, hot, nested, nested_busy, recursive_busy, blocked, sleepers, recursive, idle.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define PATCHED __attribute__((noinline, noclone, noipa, aligned(16)))

static int never_fd[2];
static atomic_int stop;

static unsigned long long now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (unsigned long long)t.tv_sec * 1000000000ull + (unsigned long long)t.tv_nsec;
}

// Replaced by tests: each gets "return OLD + 1".
PATCHED int answer(void) { return 1; }
PATCHED int second(void) { return 11; }
PATCHED int slow(void) {
  const unsigned long long end = now_ns() + 200000;
  while (now_ns() < end) {
  }
  return 1;
}
PATCHED int inner(void) {
  const unsigned long long end = now_ns() + 50000;
  while (now_ns() < end) {
  }
  return 11;
}
PATCHED int outer(void) {
  int sum = 0;
  for (int i = 0; i < 3; ++i) sum += inner();
  return sum == 0 ? 0 : 1;
}
// Nearly all the time in the inner function's own code, and many calls of it before the outer one returns.
PATCHED int busy_inner(void) {
  for (volatile int i = 0; i < 10000; ++i) {
  }
  return 11;
}
PATCHED int busy_outer(void) {
  int sum = 0;
  for (int i = 0; i < 40; ++i) sum += busy_inner();
  return sum == 0 ? 0 : 1;
}
PATCHED int waiting(void) {
  struct pollfd fd = {.fd = never_fd[0], .events = POLLIN};
  poll(&fd, 1, 20);
  return 1;
}
static atomic_int inside;  // forever()
PATCHED int forever(void) {
  atomic_fetch_add(&inside, 1);
  while (!atomic_load(&stop)) usleep(1000);
  return 1;
}
PATCHED int recursive(int depth) { return depth == 0 ? 1 : recursive(depth - 1) * 1 + (int)(now_ns() & 0); }

PATCHED int busy_recursive(int depth) {
  for (volatile int i = 0; i < 10000; ++i) {
  }
  int below = depth == 0 ? 1 : busy_recursive(depth - 1);
  __asm__ volatile("" : "+r"(below));  // or gcc makes a loop of it
  return below;
}

struct counts {
  pthread_t thread;
  _Atomic unsigned long long calls, new_calls, old_after_new, torn, wrong, wrong_values, gap_ns;
  char pad[64];
};
static struct counts counts[1024];
static const char *mode;

static void check(struct counts *c, int value, int old_value) {
  ++c->calls;
  if (value == old_value + 1)
    ++c->new_calls;
  else if (value != old_value)
    ++c->wrong, ++c->wrong_values;
  else if (c->new_calls != 0)
    ++c->old_after_new;
}

static void one_round(struct counts *c) {
  if (strcmp(mode, "hot") == 0) return check(c, slow(), 1);
  if (strcmp(mode, "nested") == 0) return check(c, outer(), 1);
  if (strcmp(mode, "nested_busy") == 0) return check(c, busy_outer(), 1);
  if (strcmp(mode, "recursive_busy") == 0) return check(c, busy_recursive(40), 1);
  if (strcmp(mode, "blocked") == 0) return check(c, waiting(), 1);
  if (strcmp(mode, "forever") == 0) return check(c, forever(), 1);
  if (strcmp(mode, "recursive") == 0) return check(c, recursive(50), 1);
  const int first = answer();
  const int other = second();
  check(c, first, 1);
  if (first == 2 && other == 11 && strcmp(mode, "pair") == 0) ++c->torn;
}

static void *work(void *argument) {
  struct counts *c = argument;
  unsigned long long last = now_ns();
  while (!atomic_load(&stop)) {
    one_round(c);
    const unsigned long long now = now_ns();
    if (now - last > c->gap_ns) c->gap_ns = now - last;
    last = now;
  }
  return NULL;
}

// Threads that wait in calls which must notice nothing.
static void *sleep_in_epoll(void *argument) {
  struct counts *c = argument;
  const int fd = epoll_create1(0);
  while (!atomic_load(&stop)) {
    struct epoll_event event;
    const int got = epoll_wait(fd, &event, 1, 300);
    if (got < 0) ++c->wrong;
    ++c->calls;
  }
  return NULL;
}
static void *sleep_in_nanosleep(void *argument) {
  struct counts *c = argument;
  while (!atomic_load(&stop)) {
    const unsigned long long start = now_ns();
    struct timespec t = {0, 200000000};
    if (nanosleep(&t, NULL) != 0) ++c->wrong;
    const unsigned long long took = now_ns() - start;
    if (took < 200000000ull || took > 500000000ull) ++c->wrong;
    ++c->calls;
  }
  return NULL;
}

static void report(int threads) {
  unsigned long long calls = 0, fresh = 0, back = 0, torn = 0, wrong = 0, values = 0, gap = 0;
  for (int i = 0; i < threads; ++i) {
    calls += counts[i].calls;
    fresh += counts[i].new_calls;
    back += counts[i].old_after_new;
    torn += counts[i].torn;
    wrong += counts[i].wrong;
    values += counts[i].wrong_values;
    if (counts[i].gap_ns > gap) gap = counts[i].gap_ns;
    counts[i].gap_ns = 0;
  }
  printf("calls=%llu new=%llu old_after_new=%llu torn=%llu wrong=%llu wrong_values=%llu gap_us=%llu answer=%d second=%d inside=%d\n",
         calls, fresh, back, torn, wrong, values, gap / 1000, answer(), second(), atomic_load(&inside));
  fflush(stdout);
}

int main(int argc, char **argv) {
  mode = argc > 1 ? argv[1] : "idle";
  const int threads = argc > 2 ? atoi(argv[2]) : 1;
  if (pipe(never_fd) != 0) return 1;
  signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < threads && strcmp(mode, "idle") != 0; ++i) {
    void *(*body)(void *) = work;
    if (strcmp(mode, "sleepers") == 0) body = i % 3 == 0 ? work : i % 3 == 1 ? sleep_in_epoll : sleep_in_nanosleep;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    if (pthread_create(&counts[i].thread, &attr, body, &counts[i]) != 0) return 1;
  }
  printf("ready\n");
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (strcmp(line, "quit\n") == 0) break;
    report(threads);
  }
  atomic_store(&stop, 1);
  return 0;
}
