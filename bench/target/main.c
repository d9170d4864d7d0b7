// The process that the benchmark stops and patches: `target FILE THREADS idle|mixed|calls`.
//
// Its first thread reads the clock without a pause and keeps the largest gap: a stop of all threads is such a gap, seen from within.
// idle: all other threads sleep in system calls of several kinds. mixed: every tenth wakes a thousand times a second, works for some
// microseconds (and calls the patched function), and sleeps again. calls: one thread times batches of calls instead.
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static struct report *report;
static int never[2];  // a pipe into which nobody writes
static pthread_mutex_t forever = PTHREAD_MUTEX_INITIALIZER;
static volatile uint64_t running;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void check(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "target: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void sleep_in(unsigned kind) {
  char byte;
  struct pollfd poll_never = {.fd = never[0], .events = POLLIN};
  switch (kind % 3) {
    case 0: check(read(never[0], &byte, 1) == 1, "read"); break;
    case 1: check(poll(&poll_never, 1, -1) >= 0, "poll"); break;
    default: pthread_mutex_lock(&forever);
  }
}

static void *sleeper(void *number) {
  __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
  sleep_in((unsigned)(uintptr_t)number);
  return NULL;
}

static void *worker(void *unused) {
  (void)unused;
  __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
  for (uint64_t i = 0;; ++i) {
    for (int calls = 0; calls < 1000; ++calls) i += answer(i) & 1;
    const struct timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, NULL);
  }
  return NULL;
}

static void read_the_clock(void) {
  uint64_t last = now_ns();
  for (;;) {
    const uint64_t now = now_ns();
    if (now - last > report->largest_gap) report->largest_gap = now - last;
    last = now;
    if ((++report->readings & 1023) == 0) report->answer = answer(0);
  }
}

static void time_calls(void) {
  uint64_t value = 1;
  for (;;) {
    const uint64_t start = now_ns();
    for (int i = 0; i < BATCH_CALLS; ++i) value = answer(value);
    const uint64_t spent = now_ns() - start;
    if (report->fastest_batch == 0 || spent < report->fastest_batch) report->fastest_batch = spent;
    ++report->batches;
    report->answer = answer(0);
  }
}

int main(int argc, char **argv) {
  check(argc == 4, "usage: target FILE THREADS idle|mixed|calls");
  const int file = open(argv[1], O_RDWR);
  check(file >= 0, argv[1]);
  report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  check(report != MAP_FAILED, "mmap");
  check(pipe(never) == 0, "pipe");
  pthread_mutex_lock(&forever);
  const unsigned others = (unsigned)atoi(argv[2]) - 1;
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 << 10);
  for (unsigned i = 0; i < others; ++i) {
    pthread_t thread;
    const int works = strcmp(argv[3], "mixed") == 0 && i % 10 == 0;
    check(pthread_create(&thread, &small, works ? worker : sleeper, (void *)(uintptr_t)i) == 0, "pthread_create");
  }
  while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < others) usleep(1000);
  report->answer = answer(0);
  report->ready = 1;
  if (strcmp(argv[3], "calls") == 0) time_calls();
  read_the_clock();
}
