// A C++ program: tests replace answer() by code that throws through itself. Commands on stdin: report, quit.
#include <cstdio>
#include <cstring>

// Could throw as far as the compiler sees: else callers get no landing pad for it.
volatile int never;
extern "C" __attribute__((noinline, noclone, noipa, aligned(16))) int answer() {
  if (never) throw 1;
  return 1;
}
extern "C" __attribute__((noinline, noclone, noipa)) int throw_it() { throw 42; }

static int ask(int *caught) {
  try {
    return answer();
  } catch (int value) {
    *caught = value;
    return 0;
  }
}

int main(int argc, char **) {
  if (argc > 100) throw_it();
  std::printf("ready\n");
  std::fflush(stdout);
  char line[64];
  while (std::fgets(line, sizeof line, stdin) != nullptr && std::strcmp(line, "quit\n") != 0) {
    int caught = 0;
    const int value = ask(&caught);
    std::printf("answer=%d caught=%d\n", value, caught);
    std::fflush(stdout);
  }
  return 0;
}
