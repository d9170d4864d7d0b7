// matrix-no-change
#include "construct.h"

#ifdef FIXED
// A comment that
// takes two lines more
#endif
NOINLINE int commented(int x) {
  return x + __LINE__ * 0 + 1;
}

int check_comment_only(int fixed) {
  EXPECT(commented(1) == 2);
  return 1;
}
