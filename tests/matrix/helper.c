// A shared library beside the program: what the constructs import from. Two versions of one function, data that a program
// that is not position-independent copies into itself, thread-local data of another module.
int helper_old(int x) { return x + 100; }
int helper_new(int x) { return x + 200; }
__asm__(".symver helper_old, helper_versioned@HELPER_1");
__asm__(".symver helper_new, helper_versioned@@HELPER_2");
int helper_only_fixed(int x) { return x + 300; }
int helper_used(int x) { return x + 400; }
int helper_data = 7;
int helper_table[4] = {1, 2, 3, 4};
__thread int helper_tls = 9;
int *helper_tls_address(void) { return &helper_tls; }
int *helper_data_address(void) { return &helper_data; }
