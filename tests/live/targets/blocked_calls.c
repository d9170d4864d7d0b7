// Threads blocked in every kind of system call that a stop can disturb. None of them has a reason to return for a long
// time: whatever returns is counted by name. Commands on stdin: report, quit. A new answer() is what tests patch.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

__attribute__((noinline, noclone, noipa, aligned(16))) int answer(void) { return 1; }

static _Atomic int returned;
static _Atomic int entered;

static int pair(int timeout_option) {
  int fds[2];
  const struct timeval t = {600, 0};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) return -1;
  if (timeout_option) setsockopt(fds[0], SOL_SOCKET, timeout_option, &t, sizeof t);
  return fds[0];
}
static int empty_pipe(void) {
  int fds[2];
  return pipe(fds) == 0 ? fds[0] : -1;
}
static int listener(int with_timeout) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in any = {.sin_family = AF_INET};
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const struct timeval t = {600, 0};
  if (with_timeout) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
  bind(fd, (struct sockaddr *)&any, sizeof any);
  listen(fd, 1);
  return fd;
}

static char byte[1];
static const struct timespec kLong = {600, 0};
static sigset_t nothing, usr1;

static void wait_epoll(void) {
  struct epoll_event e;
  epoll_wait(epoll_create1(0), &e, 1, -1);
}
static void wait_epoll_timed(void) {
  struct epoll_event e;
  epoll_wait(epoll_create1(0), &e, 1, 600000);
}
static void wait_epoll_pwait(void) {
  struct epoll_event e;
  epoll_pwait(epoll_create1(0), &e, 1, -1, &nothing);
}
static void wait_poll(void) { poll(NULL, 0, 600000); }
static void wait_ppoll(void) { ppoll(NULL, 0, &kLong, &nothing); }
static void wait_select(void) {
  struct timeval t = {600, 0};
  select(0, NULL, NULL, NULL, &t);
}
static void wait_pselect(void) { pselect(0, NULL, NULL, NULL, &kLong, &nothing); }
static void wait_nanosleep(void) { nanosleep(&kLong, NULL); }
static void wait_clock(void) { clock_nanosleep(CLOCK_MONOTONIC, 0, &kLong, NULL); }
static void wait_read_pipe(void) { (void)!read(empty_pipe(), byte, 1); }
static void wait_read_socket_timed(void) { (void)!read(pair(SO_RCVTIMEO), byte, 1); }
static void wait_recv(void) { recv(pair(0), byte, 1, 0); }
static void wait_recv_timed(void) { recv(pair(SO_RCVTIMEO), byte, 1, 0); }
static void wait_recvmsg_timed(void) {
  struct iovec v = {byte, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
  recvmsg(pair(SO_RCVTIMEO), &m, 0);
}
static void wait_accept(void) { accept(listener(0), NULL, NULL); }
static void wait_accept_timed(void) { accept(listener(1), NULL, NULL); }
static void wait_eventfd(void) {
  unsigned long long v;
  (void)!read(eventfd(0, 0), &v, sizeof v);
}
static void wait_timerfd(void) {
  unsigned long long v;
  const int fd = timerfd_create(CLOCK_MONOTONIC, 0);
  const struct itimerspec when = {.it_value = kLong};
  timerfd_settime(fd, 0, &when, NULL);
  (void)!read(fd, &v, sizeof v);
}
static void wait_inotify(void) {
  char event[256];
  (void)!read(inotify_init(), event, sizeof event);
}
static void wait_semop(void) {
  struct sembuf op = {0, -1, 0};
  semop(semget(IPC_PRIVATE, 1, 0600 | IPC_CREAT), &op, 1);
}
static void wait_semtimedop(void) {
  struct sembuf op = {0, -1, 0};
  semtimedop(semget(IPC_PRIVATE, 1, 0600 | IPC_CREAT), &op, 1, &kLong);
}
static void wait_msgrcv(void) {
  char m[64];
  msgrcv(msgget(IPC_PRIVATE, 0600 | IPC_CREAT), m, 8, 0, 0);
}
static void wait_sigtimedwait(void) {
  siginfo_t info;
  sigtimedwait(&usr1, &info, &kLong);
}
static void wait_sigwaitinfo(void) {
  siginfo_t info;
  sigwaitinfo(&usr1, &info);
}
static void wait_sigsuspend(void) { sigsuspend(&nothing); }
static void wait_pause(void) { pause(); }
static void wait_futex(void) {
  static int word;
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}
static void wait_condition(void) {
  static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
  pthread_mutex_lock(&m);
  pthread_cond_wait(&c, &m);
}
static void wait_semaphore(void) {
  static sem_t s;
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 600;
  sem_init(&s, 0, 0);
  while (sem_timedwait(&s, &until) != 0 && errno == EINTR) atomic_fetch_add(&returned, 1);
}
static void wait_io_getevents(void) {
  aio_context_t context = 0;
  struct io_event event;
  if (syscall(SYS_io_setup, 4, &context) != 0)
    for (;;) poll(NULL, 0, -1);
  syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
}

static const struct {
  const char *name;
  void (*wait)(void);
} kCalls[] = {
    {"epoll_wait", wait_epoll},       {"epoll_timed", wait_epoll_timed},   {"epoll_pwait", wait_epoll_pwait},
    {"poll", wait_poll},              {"ppoll", wait_ppoll},               {"select", wait_select},
    {"pselect", wait_pselect},        {"nanosleep", wait_nanosleep},       {"clock_nanosleep", wait_clock},
    {"read_pipe", wait_read_pipe},    {"read_timed", wait_read_socket_timed}, {"recv", wait_recv},
    {"recv_timed", wait_recv_timed},  {"recvmsg_timed", wait_recvmsg_timed}, {"accept", wait_accept},
    {"accept_timed", wait_accept_timed}, {"eventfd", wait_eventfd},        {"timerfd", wait_timerfd},
    {"inotify", wait_inotify},        {"semop", wait_semop},               {"semtimedop", wait_semtimedop},
    {"msgrcv", wait_msgrcv},          {"sigtimedwait", wait_sigtimedwait}, {"sigwaitinfo", wait_sigwaitinfo},
    {"sigsuspend", wait_sigsuspend},  {"pause", wait_pause},               {"futex", wait_futex},
    {"condition", wait_condition},    {"semaphore", wait_semaphore},       {"io_getevents", wait_io_getevents},
};
enum { kCount = sizeof kCalls / sizeof kCalls[0] };
static _Atomic int disturbed[kCount];

static void *block(void *argument) {
  const size_t i = (size_t)argument;
  atomic_fetch_add(&entered, 1);
  for (;;) {
    kCalls[i].wait();
    atomic_fetch_add(&disturbed[i], 1);
    atomic_fetch_add(&returned, 1);
  }
}

int main(void) {
  sigemptyset(&nothing);
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  sigprocmask(SIG_BLOCK, &usr1, NULL);
  for (size_t i = 0; i < kCount; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, block, (void *)i) != 0) return 1;
  }
  while (atomic_load(&entered) < kCount) usleep(1000);
  usleep(100000);
  printf("ready\n");
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n") != 0) {
    printf("answer=%d disturbed=%d", answer(), atomic_load(&returned));
    for (size_t i = 0; i < kCount; ++i)
      if (disturbed[i]) printf(" %s=%d", kCalls[i].name, disturbed[i]);
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
