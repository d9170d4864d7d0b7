// New code returns the address of a text and of a function of its own, and a thread keeps them in its own frame only while it waits: it
// goes on with them after the revert.
#include <pthread.h>
#include <string.h>

#include "construct.h"

typedef int (*held_function)(int);
static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t held_changed = PTHREAD_COND_INITIALIZER;
static int held_running, held_go, held_result;
static volatile int held_one = 1;

NOINLINE static int held_old(int x) { return x * 13 + 1; }
#ifdef FIXED
NOINLINE static int held_new(int x) { return x * 13 + 2; }
#endif

NOINLINE const char *held_text(int which) {
#ifdef FIXED
  return which ? "a text of the fix alone" : "another one";
#else
  return which ? "a text" : "another one";
#endif
}

NOINLINE held_function held_pointer(int which) {
#ifdef FIXED
  return which ? held_new : held_old;
#else
  return which > 100 ? NULL : held_old;
#endif
}

static void *held_thread(void *unused) {
  (void)unused;
  const char *volatile text = held_text(held_one);
  const held_function volatile function = held_pointer(held_one);
  pthread_mutex_lock(&held_lock);
  held_running = 1;
  pthread_cond_broadcast(&held_changed);
  while (!held_go) pthread_cond_wait(&held_changed, &held_lock);
  pthread_mutex_unlock(&held_lock);
  held_result = (int)strlen(text) * 10 + function(0);
  return NULL;
}

int check_held_on_stack(int fixed) {
  static pthread_t thread;
  if (fixed && !held_running) {
    held_go = 0;
    pthread_mutex_lock(&held_lock);
    EXPECT(pthread_create(&thread, NULL, held_thread, NULL) == 0);
    while (!held_running) pthread_cond_wait(&held_changed, &held_lock);
    pthread_mutex_unlock(&held_lock);
  }
  if (!fixed && held_running) {
    pthread_mutex_lock(&held_lock);
    held_go = 1;
    pthread_cond_broadcast(&held_changed);
    pthread_mutex_unlock(&held_lock);
    pthread_join(thread, NULL);
    EXPECT(held_result == 232);
    held_running = 0;
  }
  EXPECT(strcmp(held_text(held_one), fixed ? "a text of the fix alone" : "a text") == 0);
  EXPECT(held_pointer(held_one)(1) == (fixed ? 15 : 14));
  EXPECT(held_pointer(1 - held_one)(1) == 14);
  return 1;
}
