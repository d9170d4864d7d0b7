// The program that holds the constructs: for each line of its input, "0" or "1" (is the fix supposed to be in effect?), it runs
// every check, first in the main thread, then in a thread that has been there from the start, and answers with one line.
#include <pthread.h>
#include <stdio.h>

int run_checks(int fixed);
extern int matrix_failures;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int wanted = -1;

// A return address that a call left behind, deep in the stack, would be taken for a function in progress.
__attribute__((noinline)) static void wipe_stack(void) {
  volatile char room[4096];
  for (unsigned i = 0; i < sizeof room; ++i) room[i] = 0;
}

static void *old_thread(void *unused) {
  (void)unused;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (wanted < 0) pthread_cond_wait(&changed, &lock);
    run_checks(wanted);
    wipe_stack();
    wanted = -1;
    pthread_cond_broadcast(&changed);
  }
  return NULL;
}

static void run_in_old_thread(int fixed) {
  pthread_mutex_lock(&lock);
  wanted = fixed;
  pthread_cond_broadcast(&changed);
  while (wanted >= 0) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

int main(void) {
  char line[16];
  pthread_t thread;
  if (pthread_create(&thread, NULL, old_thread, NULL) != 0) return 2;
  while (fgets(line, sizeof line, stdin) != NULL) {
    const int fixed = line[0] == '1';
    const int checks = run_checks(fixed);
    wipe_stack();
    run_in_old_thread(fixed);
    printf("%s: %d checks\n", matrix_failures == 0 ? "ok" : "bad", checks);
    fflush(stdout);
    matrix_failures = 0;
  }
  return 0;
}
