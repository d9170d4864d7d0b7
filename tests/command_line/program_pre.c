/* A daemon of one function that matters: a line in, "answer=N" out. program_post.c is its fix. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

volatile int seed = 3;

__attribute__((noinline)) int answer(const char *line) {
  int sum = seed;
  for (const char *at = line; *at != 0 && *at != '\n'; ++at) sum = sum * 31 + *at;
  return sum % 1000 < 2000 ? 1 : sum;
}

int main(void) {
  char line[256];
  printf("ready %d\n", (int)getpid());
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n") != 0) {
    printf("answer=%d\n", answer(line));
    fflush(stdout);
  }
  return 0;
}
