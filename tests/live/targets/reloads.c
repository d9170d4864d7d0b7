// A program that unloads a library and loads it again. Commands on stdin: report, reload, quit.
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  void *library = dlopen(argv[1], RTLD_NOW);
  if (library == NULL) return 1;
  printf("ready\n");
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n") != 0) {
    if (strcmp(line, "reload\n") == 0) {
      if (dlclose(library) != 0) return 1;
      library = dlopen(argv[1], RTLD_NOW);
      if (library == NULL) return 1;
    }
    int (*const answer)(void) = (int (*)(void))dlsym(library, "answer");
    if (answer == NULL) return 1;
    printf("answer=%d\n", answer());
    fflush(stdout);
  }
  return 0;
}
