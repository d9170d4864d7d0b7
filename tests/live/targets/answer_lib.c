// The library that copies.c loads.
__attribute__((noinline, noclone, noipa, aligned(16))) int answer(void) { return 1; }
