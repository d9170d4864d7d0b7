// Preloaded into a program that tools/coverage patches: opens the libraries named in SCORE_OPEN, says so, and waits before the
// program's own code runs. So every program and library can be patched as it stands in a real process, without a word of its usage.
// SCORE_HOLD is "IN:OUT", two descriptors. On OUT goes "R" when all is loaded, or "E" and the loader's message.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(int out, const char *message) {
  dprintf(out, "E%s", message);
  _exit(125);
}

static void open_libraries(int out) {
  char *list = getenv("SCORE_OPEN");
  for (char *path = list ? strtok(list, ":") : NULL; path; path = strtok(NULL, ":"))
    // Lazily: a plugin's functions may be those of a program that is not here.
    if (!dlopen(path, RTLD_LAZY | RTLD_GLOBAL)) fail(out, dlerror());
}

__attribute__((constructor)) static void hold(void) {
  int in = -1, out = -1;
  const char *descriptors = getenv("SCORE_HOLD");
  if (!descriptors || sscanf(descriptors, "%d:%d", &in, &out) != 2) return;
  open_libraries(out);
  // Of no concern to what the program starts.
  unsetenv("LD_PRELOAD");
  unsetenv("SCORE_HOLD");
  unsetenv("SCORE_OPEN");
  fcntl(in, F_SETFD, FD_CLOEXEC);
  fcntl(out, F_SETFD, FD_CLOEXEC);
  if (write(out, "R", 1) != 1) _exit(125);
  char go;
  if (read(in, &go, 1) != 1) _exit(125);
  close(in);
  close(out);
}
