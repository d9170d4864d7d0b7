// A program that has one library loaded twice, the second time in a namespace of its own. Commands on stdin: report, quit.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  void *first = dlopen(argv[1], RTLD_NOW);
  void *other = dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW);
  if (first == NULL || other == NULL) {
    printf("unsupported\n");
    return 0;
  }
  int (*const answers[])(void) = {(int (*)(void))dlsym(first, "answer"), (int (*)(void))dlsym(other, "answer")};
  if (answers[0] == NULL || answers[0] == answers[1]) return 1;
  printf("ready\n");
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n") != 0) {
    printf("answer=%d other=%d\n", answers[0](), answers[1]());
    fflush(stdout);
  }
  return 0;
}
