// A program to be patched that keeps objects alive: sessions, whose layout a patch cannot change. Threads use theirs all the
// time; commands arrive on stdin, one a line, each answered by "name=number" pairs:
//   use N      uses session N: "value=N"
//   end N      ends session N and begins another in its place
//   let N      sets what hooks look at: "let=N"
//   report     "calls=N log=N wrong=N gap_us=N"
// Usage: sessions THREADS
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATCHED __attribute__((noinline, noclone, noipa, aligned(16)))
#define SESSIONS 64

struct session {
  long number;
  long used;
};
static struct session *sessions[SESSIONS];

// Hooks of tests read and write these.
atomic_long calls;
atomic_long wrong;
volatile long let;
volatile long hook_log;
atomic_long held;  // set by a thread that a hook may wait for

// Replaced by tests. A session is used without limit; patches set one, or count in another way.
PATCHED long use_session(struct session *s) { return ++s->used; }
PATCHED void end_session(struct session *s) {
  s->used = 0;
  s->number += SESSIONS;
}

static void *work(void *argument) {
  struct session *own = calloc(1, sizeof *own);
  own->number = (long)argument;
  for (;;) {
    const long value = use_session(own);
    if (value == 0) atomic_fetch_add(&wrong, 1);
    atomic_fetch_add(&calls, 1);
    if (let == 3) atomic_store(&held, 1);
    if (value > 100) end_session(own);
  }
  return NULL;
}

int main(int argc, char **argv) {
  const long threads = argc > 1 ? atol(argv[1]) : 0;
  for (long i = 0; i < SESSIONS; ++i) {
    sessions[i] = calloc(1, sizeof *sessions[i]);
    sessions[i]->number = i;
  }
  for (long i = 0; i < threads; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, (void *)(1000 + i)) != 0) return 1;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("ready");
  char line[128];
  while (fgets(line, sizeof line, stdin)) {
    long number = 0;
    char command[32] = "";
    sscanf(line, "%31s %ld", command, &number);
    if (strcmp(command, "use") == 0) {
      printf("value=%ld\n", use_session(sessions[number % SESSIONS]));
    } else if (strcmp(command, "end") == 0) {
      end_session(sessions[number % SESSIONS]);
      puts("done=1");
    } else if (strcmp(command, "let") == 0) {
      let = number;
      printf("let=%ld\n", number);
    } else {
      printf("calls=%ld log=%ld wrong=%ld\n", atomic_load(&calls), hook_log, atomic_load(&wrong));
    }
  }
  return 0;
}
