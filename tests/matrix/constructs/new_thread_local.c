// New thread-local variables, for which threads that run have no room: of all four models, initialised and not, with addresses in
// them, aligned, indexed, and function pointers that are called. Each thread has its own, also one that comes later and gets
// what another has left, and a signal handler that comes first.
// The functions that keep them are the C library's, and a static program has them only if it uses them.
// gcc 12 cannot compile the local-dynamic model in the large one.
// matrix-not: static static-pie -mcmodel=large -mtls-dialect=gnu2
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "construct.h"

NOINLINE static int tls_twice(int value) { return 2 * value; }
NOINLINE static int tls_thrice(int value) { return 3 * value; }

static volatile int handled;

#ifdef FIXED
static int at_home = 17;
__thread int fresh_global = 5;
static __thread int fresh_zero;
static __thread long fresh_table[16] = {[3] = 30, [7] = 70};
static __thread const char *fresh_text = "fresh";
static __thread int *fresh_pointer = &at_home;
static __thread char fresh_aligned[192] __attribute__((aligned(128)));
static __thread int (*fresh_call)(int) = tls_twice;
static __thread double fresh_sum = 0.5;
__attribute__((tls_model("initial-exec"))) static __thread int fresh_initial = 21;
__attribute__((tls_model("local-dynamic"))) static __thread int fresh_dynamic_a = 22;
__attribute__((tls_model("local-dynamic"))) static __thread int fresh_dynamic_b = 23;
__attribute__((tls_model("global-dynamic"))) __thread int fresh_general = 24;
#endif

NOINLINE int new_tls_step(int by, int index) {
#ifdef FIXED
  fresh_global += by;
  fresh_zero -= by;
  fresh_table[index] += by;
  fresh_table[index + 4] += fresh_table[index] > 1000;
  fresh_initial += by;
  fresh_dynamic_a += by;
  fresh_dynamic_b += 2 * by;
  fresh_general ^= by;
  fresh_aligned[index] = (char)by;
  if (fresh_zero < -2) fresh_call = tls_thrice;
  return fresh_global + (int)fresh_table[3] + fresh_initial + fresh_dynamic_a + fresh_dynamic_b + fresh_general;
#else
  return by * 9 + (index ^ by) * 31 + handled;
#endif
}

// Values in vector registers and what a comparison found have to outlast an access.
NOINLINE double new_tls_mix(double a, double b, const int *values, int count) {
#ifdef FIXED
  double sum = a;
  for (int i = 0; i < count; ++i) {
    fresh_sum += values[i] * b;
    sum += fresh_sum > 4 ? a : b;
  }
  return sum + fresh_sum;
#else
  return a + b + values[0] + count;
#endif
}

NOINLINE int new_tls_call(int value) {
#ifdef FIXED
  return fresh_call(value);
#else
  return value * 77 + 5 + handled;
#endif
}

NOINLINE int new_tls_tail(int a, int b, int value) {
#ifdef FIXED
  return a > b ? fresh_call(value + a) : 0;
#else
  return a * 3 + b * 5 + value * 7 + handled;
#endif
}

NOINLINE uintptr_t new_tls_place(int which) {
#ifdef FIXED
  if (strcmp(fresh_text, "fresh") != 0 || *fresh_pointer != 17) return 1;
  return (uintptr_t)(which ? (void *)fresh_aligned : (void *)&fresh_zero);
#else
  return (uintptr_t)which * 128 + (uintptr_t)handled * 1000;
#endif
}

static void *in_new_thread(void *result) {
  const int values[] = {1, 2, 3};
  int fixed = *(int *)result, right = 0;
  if (!fixed) return NULL;
  // As nobody ever touched them, whoever had this memory before.
  right += new_tls_step(1, 3) == 6 + 31 + 22 + 23 + 25 + 25;
  right += new_tls_call(4) == 8;
  right += new_tls_step(1, 3) == 7 + 32 + 23 + 24 + 27 + 24;
  right += new_tls_step(1, 9) == 8 + 32 + 24 + 25 + 29 + 25;
  right += new_tls_call(4) == 12 && new_tls_tail(2, 1, 3) == 15;
  right += new_tls_place(1) % 128 == 0 && new_tls_place(0) != 0;
  right += new_tls_mix(1.0, 2.0, values, 3) == 1.0 + 2.0 + 1.0 + 1.0 + 12.5;
  *(int *)result = right == 7;
  return NULL;
}

static void on_signal(int number) { handled = new_tls_step(0, 1) * number > 0; }

int check_new_thread_local(int fixed) {
  const int values[] = {1, 2, 3};
  if (!fixed) {
    handled = 0;
    EXPECT(new_tls_step(9, 3) == 81 + (3 ^ 9) * 31);
    EXPECT(new_tls_call(4) == 4 * 77 + 5);
    EXPECT(new_tls_tail(2, 1, 3) == 6 + 5 + 21);
    EXPECT(new_tls_place(1) == 128);
    EXPECT(new_tls_mix(1, 2, values, 3) == 7);
    return 1;
  }
  signal(SIGUSR1, on_signal);
  raise(SIGUSR1);
  EXPECT(handled);
  const int before = new_tls_step(0, 3);
  pthread_t threads[6];
  int results[6];
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 6; ++i) {
      results[i] = fixed;
      EXPECT(pthread_create(&threads[i], NULL, in_new_thread, &results[i]) == 0);
    }
    for (int i = 0; i < 6; ++i) pthread_join(threads[i], NULL);
    for (int i = 0; i < 6; ++i) EXPECT(results[i] == 1);
  }
  EXPECT(new_tls_step(0, 3) == before);
  EXPECT(new_tls_step(8, 3) - before == 8 + 8 + 8 + 8 + 16 + ((24 ^ 8) - 24));
  EXPECT(new_tls_step(-8, 3) == before - 0 + ((24 ^ 8 ^ -8) - 24));
  new_tls_step(-8, 3);
  new_tls_step(8, 3);
  return 1;
}
