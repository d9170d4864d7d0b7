#include "process/interrupted_call.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace suture {
namespace {

constexpr int64_t kRestartSys = -512;
constexpr int64_t kRestartNoIntr = -513;
constexpr int64_t kRestartNoHand = -514;
constexpr int64_t kRestartBlock = -516;

// Receiving and accepting are here for sockets with SO_RCVTIMEO, sending for SO_SNDTIMEO: with a time-out set, the
// kernel answers EINTR where it would restart otherwise. Nothing was transferred when they do, so running them again is
// the same call. connect is not here: a second connect answers EALREADY.
constexpr std::array<uint64_t, 19> kCalls = {
    0,    // read
    1,    // write
    19,   // readv
    20,   // writev
    43,   // accept
    44,   // sendto
    45,   // recvfrom
    46,   // sendmsg
    47,   // recvmsg
    65,   // semop
    128,  // rt_sigtimedwait
    208,  // io_getevents
    220,  // semtimedop
    232,  // epoll_wait
    281,  // epoll_pwait
    288,  // accept4
    333,  // io_pgetevents
    426,  // io_uring_enter
    441,  // epoll_pwait2
};

}  // namespace

bool hide_interruption(Registers &registers) {
  if (static_cast<int64_t>(registers.orig_rax) < 0 || static_cast<int64_t>(registers.rax) != -EINTR) return false;
  if (!std::binary_search(kCalls.begin(), kCalls.end(), registers.orig_rax)) return false;
  registers.rax = static_cast<uint64_t>(kRestartNoHand);
  return true;
}

bool restarts_call(const Registers &registers) {
  if (static_cast<int64_t>(registers.orig_rax) < 0) return false;
  const int64_t result = static_cast<int64_t>(registers.rax);
  return result == kRestartSys || result == kRestartNoIntr || result == kRestartNoHand || result == kRestartBlock;
}

bool restarts_with_time_left(const Registers &registers) {
  return restarts_call(registers) && static_cast<int64_t>(registers.rax) == kRestartBlock;
}

void restart_anew(Registers &registers) {
  if (restarts_with_time_left(registers)) registers.rax = static_cast<uint64_t>(kRestartNoHand);
}

}  // namespace suture
