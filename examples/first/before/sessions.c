/* A program that keeps sessions alive. Commands on stdin, one a line: "use N" answers how often session N was used, "end N" frees it and
 * makes a new one, "limit" answers the limit. There is a limit, and nobody heeds it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session {
  int number;
  int used;
};

int use_limit = 100;

static struct session *sessions[10];

struct session *begin_session(int number) {
  struct session *s = calloc(1, sizeof *s);
  if (s == NULL) abort();
  s->number = number;
  return s;
}

__attribute__((noinline)) void end_session(struct session *s) { free(s); }

__attribute__((noinline)) int use_session(struct session *s) { return ++s->used; }

int main(void) {
  char command[16];
  int number;
  int i;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (i = 0; i < 10; ++i) sessions[i] = begin_session(i);
  while (scanf("%15s %d", command, &number) == 2) {
    number = number < 0 ? 0 : number % 10;
    if (strcmp(command, "use") == 0) {
      printf("%d\n", use_session(sessions[number]));
    } else if (strcmp(command, "end") == 0) {
      end_session(sessions[number]);
      sessions[number] = begin_session(number);
      puts("ended");
    } else {
      printf("%d\n", use_limit);
    }
  }
  return 0;
}
