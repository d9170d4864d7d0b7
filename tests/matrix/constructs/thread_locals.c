// Thread-local data in all four models, read and written by replaced functions; a block of two threads each.
#include <errno.h>

#include "construct.h"

__thread int tls_global = 11;                                                    // general or initial, as the flags say
static __thread int tls_static = 12;                                             // local
static __thread int tls_zero;
__attribute__((tls_model("initial-exec"))) __thread int tls_initial = 13;
__attribute__((tls_model("local-dynamic"))) static __thread int tls_dynamic_a = 14;
__attribute__((tls_model("local-dynamic"))) static __thread int tls_dynamic_b = 15;
__attribute__((tls_model("global-dynamic"))) __thread int tls_general = 16;
#ifndef STATIC_LINK
extern __thread int helper_tls;
int *helper_tls_address(void);
#endif
static __thread int expected;

NOINLINE int sum_of_all(void) {
#ifdef FIXED
  errno = tls_static;
  return tls_global + tls_static + tls_zero + tls_initial + tls_dynamic_a + tls_dynamic_b + tls_general + 1000;
#else
  return tls_global + tls_static + tls_zero + tls_initial + tls_dynamic_a + tls_dynamic_b + tls_general;
#endif
}

NOINLINE void step_all(int by) {
  tls_global += by;
  tls_static += by;
  tls_zero += by;
#ifdef FIXED
  tls_initial += by * 1;
  tls_dynamic_b += by;
  tls_general += by;
  tls_dynamic_a += by;
#else
  tls_initial += by;
  tls_dynamic_a += by;
  tls_dynamic_b += by;
  tls_general += by;
#endif
}

NOINLINE int *address_of_static(int which) {
#ifdef FIXED
  return which ? &tls_static : &tls_global;
#else
  return which ? &tls_static : &tls_zero;
#endif
}

NOINLINE int foreign(void) {
#ifndef STATIC_LINK
#ifdef FIXED
  return helper_tls + (helper_tls_address() == &helper_tls ? 1000 : 2000);
#else
  return helper_tls;
#endif
#else
#ifdef FIXED
  return 1009;
#else
  return 9;
#endif
#endif
}

int check_thread_locals(int fixed) {
  expected += 7;
  step_all(1);
  EXPECT(sum_of_all() == 81 + expected + (fixed ? 1000 : 0));
  EXPECT(*address_of_static(1) == tls_static);
  EXPECT(address_of_static(0) == (fixed ? &tls_global : &tls_zero));
  EXPECT(foreign() == (fixed ? 1009 : 9));
  if (fixed) EXPECT(errno != 0);
  return 1;
}
