// A program whose threads are unusual in one way, named by its first argument. Commands on stdin: report, go (ends what
// the mode is waiting in), quit; tests replace answer(), second(), through_pointer() and crossing(). What this kernel
// cannot do is said by "unsupported" instead of "ready".
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define PATCHED __attribute__((noinline, noclone, noipa, aligned(16)))

static atomic_int may_go, entered;
static atomic_long calls, extra, wrong;
static int gate[2];  // a pipe that "go" writes to, once for each waiter

static void wait_for_go(void) {
  char byte;
  atomic_fetch_add(&entered, 1);
  while (read(gate[0], &byte, 1) < 0 && errno == EINTR) {
  }
}

PATCHED int answer(void) {
  return 1;
}
PATCHED int second(void) {
  return 11;
}
static int (*volatile call_later)(void);
PATCHED int through_pointer(void) {
  int got = call_later();
  __asm__ volatile("" : "+r"(got));  // something to do after the call, so that it is one and not a jump
  return got;
}

// A function whose first five bytes lie in two cache lines.
__asm__(
    ".text\n.balign 64\n.skip 61, 0xcc\n.globl crossing\n.type crossing, @function\n"
    "crossing: .cfi_startproc\n mov $1, %eax\n ret\n.skip 10, 0xcc\n.cfi_endproc\n.size crossing, .-crossing\n");
extern int crossing(void);

static void start(void *(*body)(void *)) {
  pthread_t thread;
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 256 << 10);
  if (pthread_create(&thread, &attr, body, NULL) != 0) abort();
}
static void wait_until_entered(int count) {
  while (atomic_load(&entered) < count) sched_yield();
}

static void *call_crossing(void *unused) {
  for (;; atomic_fetch_add(&calls, 1)) {
    const int got = crossing();
    if (got != 1 && got != 2) atomic_fetch_add(&wrong, 1);
  }
  return unused;
}
static int mode_crossing(void) {
  start(call_crossing);
  start(call_crossing);
  return 1;
}

// A child in the same memory that is no thread: fork without a copy.
static int call_answers(void *unused) {
  (void)unused;
  syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  for (;; atomic_fetch_add(&calls, 1)) {
    const int first = answer(), other = second();
    if ((first != 1 && first != 2) || (other != 11 && other != 12)) atomic_fetch_add(&wrong, 1);
  }
  return 0;
}
static int mode_shares_memory(void) {
  char *stack = mmap(NULL, 64 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  extra = clone(call_answers, stack + (64 << 10), CLONE_VM | SIGCHLD, NULL);
  return extra > 0;
}

// The parent of a vfork sleeps in the kernel, deaf to everything, until its child has its own program.
static void *vfork_and_wait(void *unused) {
  atomic_fetch_add(&entered, 1);
  if (vfork() == 0) {
    char byte;
    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    (void)!read(gate[0], &byte, 1);
    _exit(0);
  }
  atomic_fetch_add(&calls, 1);
  return unused;
}
static int mode_vfork(void) {
  start(vfork_and_wait);
  wait_until_entered(1);
  usleep(20000);
  return 1;
}

static void serve(void);
static void *serve_in_thread(void *unused) {
  serve();
  exit(0);
  return unused;
}

// Threads of the kernel's own, listed among the process's.
static int mode_io_uring(void) {
  struct io_uring_params params = {.flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 100000};
  return syscall(SYS_io_uring_setup, 4, &params) >= 0;
}

#ifdef RSEQ_SIG
// Spins inside a restartable sequence; only its abort leads out. An abort that is lost leaves it there for good.
static void *spin_in_sequence(void *unused) {
  struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
  for (;; atomic_fetch_add(&calls, 1)) {
    __asm__ volatile(
        ".pushsection __rseq_cs, \"aw\"\n.balign 32\n3: .long 0, 0\n.quad 1f, 2f - 1f, 4f\n.popsection\n"
        "leaq 3b(%%rip), %%rax\n movq %%rax, %0\n"
        "1: pause\n jmp 1b\n 2:\n"
        ".pushsection .text.abort, \"ax\"\n.byte 0x0f, 0xb9, 0x3d\n.long 0x53053053\n4: jmp 5f\n.popsection\n5:\n"
        : "=m"(area->rseq_cs)
        :
        : "rax", "memory");
  }
  return unused;
}
#endif
static int mode_sequence(void) {
#ifdef RSEQ_SIG
  if (__rseq_size == 0) return 0;
  start(spin_in_sequence);
  return 1;
#else
  return 0;
#endif
}

// SIGTRAP ignored by all and blocked by the thread that serves.
static int trap_is_kept(void) {
  sigset_t mask;
  struct sigaction action;
  sigaction(SIGTRAP, NULL, &action);
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  return action.sa_handler == SIG_IGN && sigismember(&mask, SIGTRAP);
}
static int mode_no_trap(void) {
  sigset_t mask;
  signal(SIGTRAP, SIG_IGN);
  sigemptyset(&mask);
  sigaddset(&mask, SIGTRAP);
  return pthread_sigmask(SIG_BLOCK, &mask, NULL) == 0;
}

// A signal handler on a stack of its own waits while what it interrupted is in waiting().
static void wait_in_handler(int signal) {
  (void)signal;
  wait_for_go();
}
static void *interrupt_itself(void *unused) {
  const stack_t stack = {.ss_sp = malloc(64 << 10), .ss_size = 64 << 10};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_handler = wait_in_handler, .sa_flags = SA_ONSTACK};
  sigaction(SIGUSR1, &action, NULL);
  pthread_kill(pthread_self(), SIGUSR1);
  return unused;
}
static int raise_here(void) {
  (void)interrupt_itself(NULL);
  return 1;
}
static void *raise_in_patched(void *unused) {
  call_later = raise_here;
  (void)through_pointer();
  atomic_fetch_add(&calls, 1);
  return unused;
}
static int mode_alternate_stack(void) {
  start(raise_in_patched);
  wait_until_entered(1);
  return 1;
}

// Code made at run time, without unwind information, between a patched function and the wait: push rbp; call [rip];
// pop; ret
static void *call_through_made_code(void *unused) {
  static const unsigned char code[] = {0x55, 0xff, 0x15, 0x02, 0, 0, 0, 0x5d, 0xc3};
  unsigned char *made = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void (*const target)(void) = wait_for_go;
  memcpy(made, code, sizeof code);
  memcpy(made + sizeof code, &target, sizeof target);
  mprotect(made, 4096, PROT_READ | PROT_EXEC);
  call_later = (int (*)(void))(uintptr_t)made;
  (void)through_pointer();
  atomic_fetch_add(&calls, 1);
  return unused;
}
static int mode_made_code(void) {
  start(call_through_made_code);
  wait_until_entered(1);
  return 1;
}

// A coroutine left in the middle of a patched function; "go" lets it go on.
static ucontext_t here, there;
static int leave(void) {
  swapcontext(&there, &here);
  return 100;  // what the old code says when it is resumed
}
static void coroutine(void) {
  atomic_store(&extra, through_pointer());
}
static int mode_coroutine(void) {
  call_later = leave;
  getcontext(&there);
  there.uc_stack.ss_size = 64 << 10;
  there.uc_stack.ss_sp = malloc(there.uc_stack.ss_size);
  there.uc_link = &here;
  makecontext(&there, coroutine, 0);
  return swapcontext(&here, &there) == 0;
}

// Queued signals, each of which must arrive once; a thread waits for one in the kernel, others run.
static void count_signal(int signal) {
  (void)signal;
  atomic_fetch_add(&extra, 1);
}
static void *spin(void *unused) {
  for (;;) atomic_fetch_add(&calls, 1);
  return unused;
}
static int mode_signals(void) {
  struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
  sigaction(SIGRTMIN, &action, NULL);
  start(spin);
  return 1;
}

// Processes born faster than anyone looks.
static int mode_forks(void) {
  signal(SIGCHLD, SIG_IGN);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; getppid() != 1 && i < 1000000; ++i) {
      const pid_t next = fork();
      if (next == 0) {
        usleep(500);
        _exit(0);
      }
    }
    _exit(0);
  }
  extra = child;
  return child > 0;
}
// Threads born and gone all the time.
static void *short_life(void *unused) {
  if (answer() == 0) abort();
  atomic_fetch_add(&calls, 1);
  return unused;
}
static void *breed(void *unused) {
  for (;;) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, short_life, NULL) == 0) pthread_join(thread, NULL);
  }
  return unused;
}
static int mode_breeds(void) {
  for (int i = 0; i < 3; ++i) start(breed);
  return 1;
}

// A thread cancelled in what the new through_pointer() calls: its clean-up must run, whoever loads the unwinder and
// when.
__attribute__((noinline, noclone, noipa)) void stay(void) {
  atomic_fetch_add(&entered, 1);
  for (;;) pause();
}
static void clean_up(void *unused) {
  (void)unused;
  atomic_fetch_add(&extra, 1);
}
static void *call_to_stay(void *unused) {
  pthread_cleanup_push(clean_up, NULL);
  (void)through_pointer();
  pthread_cleanup_pop(0);
  return unused;
}
static void cancel_one(void) {
  pthread_t thread;
  void *result = NULL;
  const int before = atomic_load(&entered);
  if (pthread_create(&thread, NULL, call_to_stay, NULL) != 0) abort();
  wait_until_entered(before + 1);
  pthread_cancel(thread);
  pthread_join(thread, &result);
  if (result != PTHREAD_CANCELED) atomic_fetch_add(&wrong, 1);
}
static int cancels;
static int mode_cancels(void) {
  return cancels = 1;
}
static int mode_cancels_with_unwinder(void) {
  return cancels = dlopen("libgcc_s.so.1", RTLD_NOW) != NULL;
}

// A large write that a slow reader takes in pieces: however often it is cut short, no byte is lost or comes twice.
enum { PATTERN = 251, BLOCK_BYTES = 1 << 20 };
static int stream[2];
static void *write_pattern(void *unused) {
  static unsigned char pattern[BLOCK_BYTES + PATTERN];
  size_t position = 0;
  for (size_t i = 0; i < sizeof pattern; ++i) pattern[i] = (unsigned char)(i % PATTERN);
  for (;; atomic_fetch_add(&calls, 1)) {
    const ssize_t wrote = write(stream[1], pattern + position % PATTERN, BLOCK_BYTES);
    if (wrote <= 0) {
      atomic_fetch_add(&wrong, 1);
      continue;
    }
    if (wrote < BLOCK_BYTES) atomic_fetch_add(&extra, 1);
    position += (size_t)wrote;
  }
  return unused;
}
static void *read_pattern(void *unused) {
  unsigned char got[4096];
  size_t position = 0;
  for (;; usleep(20)) {
    const ssize_t size = read(stream[0], got, sizeof got);
    if (size <= 0) atomic_fetch_add(&wrong, 1);
    for (ssize_t i = 0; i < size; ++i, ++position)
      if (got[i] != position % PATTERN) atomic_fetch_add(&wrong, 1);
  }
  return unused;
}
static int mode_partial_write(void) {
  if (pipe(stream) != 0) return 0;
  start(write_pattern);
  start(read_pattern);
  return 1;
}

static void serve(void) {
  char line[64];
  printf("ready\n");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n") != 0) {
    if (strcmp(line, "go\n") == 0 && !atomic_exchange(&may_go, 1)) {
      (void)!write(gate[1], "........", 8);
      if (there.uc_stack.ss_sp != NULL) swapcontext(&here, &there);
      if (cancels) cancel_one();
    }
    printf("answer=%d second=%d calls=%ld extra=%ld wrong=%ld trap_kept=%d\n", answer(), second(), (long)calls,
           (long)extra, (long)wrong, trap_is_kept());
    fflush(stdout);
  }
}

static const struct {
  const char *name;
  int (*prepare)(void);
} modes[] = {
    {"crossing", mode_crossing},
    {"shares_memory", mode_shares_memory},
    {"vfork", mode_vfork},
    {"io_uring", mode_io_uring},
    {"sequence", mode_sequence},
    {"no_trap", mode_no_trap},
    {"alternate_stack", mode_alternate_stack},
    {"made_code", mode_made_code},
    {"coroutine", mode_coroutine},
    {"signals", mode_signals},
    {"forks", mode_forks},
    {"breeds", mode_breeds},
    {"partial_write", mode_partial_write},
    {"cancels", mode_cancels},
    {"cancels_with_unwinder", mode_cancels_with_unwinder},
};

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  if (pipe(gate) != 0) return 1;
  if (strcmp(mode, "dead_leader") == 0) {
    start(serve_in_thread);
    pthread_exit(NULL);
  }
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; ++i) {
    if (strcmp(modes[i].name, mode) != 0) continue;
    if (modes[i].prepare()) {
      serve();
      return 0;
    }
  }
  printf("unsupported\n");
  fflush(stdout);
  return 0;
}
