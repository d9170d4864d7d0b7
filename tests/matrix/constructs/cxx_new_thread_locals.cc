// New thread_local objects: made at their first use in each thread, also in one that runs already, and destroyed when a thread ends.
// What the main thread has left to be done when it ends is still there after a revert.
// matrix-not: static static-pie -mcmodel=large -mtls-dialect=gnu2
#include <pthread.h>

#include <string>

#include "construct.h"

extern "C" int cxx_fresh_made, cxx_fresh_gone;
int cxx_fresh_made, cxx_fresh_gone;

NOINLINE size_t cxx_fresh_length(char more) {
#ifdef FIXED
  struct Counted {
    Counted() { __atomic_add_fetch(&cxx_fresh_made, 1, __ATOMIC_SEQ_CST); }
    ~Counted() { __atomic_add_fetch(&cxx_fresh_gone, 1, __ATOMIC_SEQ_CST); }
    std::string text = "a text that is too long for the object itself";
  };
  static thread_local Counted counted;
  counted.text += more;
  return counted.text.size();
#else
  std::string text = "a text that is too long for the object itself";
  text += more;
  return text.find(more, 45);
#endif
}

static void *cxx_fresh_thread(void *result) {
  *static_cast<size_t *>(result) = cxx_fresh_length('a') + cxx_fresh_length('b');
  return nullptr;
}

extern "C" int check_cxx_new_thread_locals(int fixed) {
  if (!fixed) {
    EXPECT(cxx_fresh_length('a') == 45);
    return 1;
  }
  const int made = cxx_fresh_made, gone = cxx_fresh_gone;
  const size_t before = cxx_fresh_length('x');
  EXPECT(before >= 46);
  const int own = cxx_fresh_made - made;
  EXPECT(own <= 1);
  for (int round = 0; round < 4; ++round) {
    pthread_t threads[3];
    size_t results[3] = {};
    for (int i = 0; i < 3; ++i) EXPECT(pthread_create(&threads[i], nullptr, cxx_fresh_thread, &results[i]) == 0);
    for (int i = 0; i < 3; ++i) pthread_join(threads[i], nullptr);
    for (const size_t result : results) EXPECT(result == 46 + 47);
  }
  EXPECT(cxx_fresh_made - made == own + 12);
  EXPECT(cxx_fresh_gone - gone == 12);
  EXPECT(cxx_fresh_length('y') == before + 1);
  return 1;
}
