// A program whose memory is unusual in one way, named by its first argument. Commands on stdin: report, quit; tests replace
// answer(). What this kernel cannot do is said by "unsupported" instead of "ready".
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#define PAGE 4096ul

__attribute__((noinline, noclone, noipa, aligned(16))) int answer(void) { return 1; }

// The mapping that holds answer(), whole pages, and its place in the file.
static struct text {
  char *begin;
  size_t bytes;
  off_t offset;
} text;

static int note_text(struct dl_phdr_info *info, size_t size, void *unused) {
  (void)size, (void)unused;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD || !(header->p_flags & PF_X)) continue;
    const uintptr_t begin = (info->dlpi_addr + header->p_vaddr) & ~(PAGE - 1);
    const uintptr_t end = (info->dlpi_addr + header->p_vaddr + header->p_memsz + PAGE - 1) & ~(PAGE - 1);
    if ((uintptr_t)answer < begin || (uintptr_t)answer >= end) continue;
    text = (struct text){(char *)begin, end - begin, (off_t)(header->p_offset & ~(PAGE - 1))};
    return 1;
  }
  return 0;
}

static unsigned long status_kib(const char *name) {
  char line[256];
  unsigned long value = 0;
  FILE *status = fopen("/proc/self/status", "r");
  while (status != NULL && fgets(line, sizeof line, status) != NULL)
    if (strncmp(line, name, strlen(name)) == 0) value = strtoul(line + strlen(name) + 1, NULL, 10);
  if (status != NULL) fclose(status);
  return value;
}

static int become_nobody(void) { return setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0; }

static int limit_address_space(void) {
  const struct rlimit limit = {status_kib("VmSize:") << 10, status_kib("VmSize:") << 10};
  return setrlimit(RLIMIT_AS, &limit) == 0;
}

// Everything locked, now and later, and not a page more allowed.
static int lock_all(void) {
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) return 0;
  const struct rlimit limit = {status_kib("VmLck:") << 10, status_kib("VmLck:") << 10};
  return setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && become_nobody();
}

static int fill_map(void) {
  for (;;)  // each its own mapping: neighbours differ in protection
    if (mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ||
        mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
      return 1;
}

static void take(uintptr_t at, size_t bytes) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  if (mmap((void *)at, bytes, PROT_NONE, flags, -1, 0) != MAP_FAILED || bytes == PAGE) return;
  for (uintptr_t page = at; page < at + bytes; page += PAGE) take(page, PAGE);  // some of it is in use
}
// Every free page within more than 2 GiB of the program.
static int fill_neighbourhood(void) {
  const uintptr_t here = (uintptr_t)answer & ~(PAGE - 1), step = 256 * PAGE, reach = 2200ul << 20;
  for (uintptr_t at = here - reach; at < here + reach; at += step) take(at, step);
  return 1;
}

static int seal_text(void) { return syscall(SYS_mseal, text.begin, text.bytes, 0) == 0; }

static int share_text(void) {
  const int file = open("/proc/self/exe", O_RDONLY);
  return mmap(text.begin, text.bytes, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, file, text.offset) != MAP_FAILED;
}

// What programs do that want their code in huge pages: a copy in anonymous memory, moved over the original.
static int copy_text(void) {
  char *copy = mmap(NULL, text.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(copy, text.begin, text.bytes);
  if (mprotect(copy, text.bytes, PROT_READ | PROT_EXEC) != 0) return 0;
  return mremap(copy, text.bytes, text.bytes, MREMAP_MAYMOVE | MREMAP_FIXED, text.begin) != MAP_FAILED;
}

static int deny_write_execute(void) { return prctl(PR_SET_MDWE, 1, 0, 0, 0) == 0; }

// Killed for any call that maps, unmaps or names memory.
static int filter_calls(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const struct sock_fprog program = {sizeof code / sizeof code[0], code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int hide_from_others(void) { return become_nobody() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0; }

// In the map's lines this is a name like any other; in stat it looks like the end of one and a state.
static int take_odd_name(void) { return prctl(PR_SET_NAME, ") R 1 2 3\n(x", 0, 0, 0) == 0; }

static int nothing(void) { return 1; }

static const struct {
  const char *name;
  int (*prepare)(void);
} modes[] = {
    {"address_space", limit_address_space}, {"locked", lock_all},         {"map_full", fill_map},
    {"no_gap", fill_neighbourhood},         {"sealed", seal_text},        {"shared", share_text},
    {"copied", copy_text},                  {"mdwe", deny_write_execute}, {"filtered", filter_calls},
    {"hidden", hide_from_others},           {"odd_name", take_odd_name},  {"plain", nothing},
};

int main(int argc, char **argv) {
  static char line[64];
  setvbuf(stdin, malloc(4096), _IOFBF, 4096);
  setvbuf(stdout, malloc(4096), _IOFBF, 4096);
  dl_iterate_phdr(note_text, NULL);
  int done = 0;
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; ++i)
    if (argc > 1 && strcmp(modes[i].name, argv[1]) == 0) done = modes[i].prepare();
  printf(done ? "ready\n" : "unsupported\n");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n") != 0) {
    printf("answer=%d\n", answer());
    fflush(stdout);
  }
  return 0;
}
