#pragma once
#include <stddef.h>
typedef int (*handler_fn)(const char *);
extern int limit;
extern handler_fn chosen;
int classify(int kind);
int sum_of(const char *text);
int describe(char *out, size_t size, int kind);
int is_default_handler(handler_fn fn);
int total_calls(void);
