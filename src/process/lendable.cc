#include "process/lendable.h"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace suture {
namespace {

constexpr size_t kMaxThreadsTried = 64;
constexpr uint64_t kRseqCsOffset = 8;  // of the descriptor pointer in struct rseq

// From /proc/TID/syscall: "running", or "NR ARG... SP PC" (NR -1: blocked outside a call).
Whereabouts read_whereabouts(const Process &process, pid_t tid) {
  Whereabouts out;
  const Result<std::string> text = process.task_text(tid, "syscall");
  if (!text || text->empty() || (*text)[0] == 'r') return out;
  const char *at = text->data();
  const char *end = at + text->size();
  const auto first = std::from_chars(at, end, out.number);
  if (first.ec != std::errc()) return out;
  out.blocked = true;
  at = first.ptr;
  for (uint64_t &argument : out.arguments) {
    if (out.number < 0 || end - at < 4) break;
    const auto next = std::from_chars(at + 3, end, argument, 16);  // skips " 0x"
    if (next.ec != std::errc()) break;
    at = next.ptr;
  }
  return out;
}

// Calls that a stop may cut short for good: bytes already moved are reported as a short count.
bool may_be_cut_short(int64_t number) {
  static constexpr std::array<int64_t, 10> kCutShort = {SYS_write,    SYS_pwrite64, SYS_writev, SYS_sendto,
                                                        SYS_sendmsg,  SYS_sendfile, SYS_splice, SYS_tee,
                                                        SYS_vmsplice, SYS_sendmmsg};
  return std::find(kCutShort.begin(), kCutShort.end(), number) != kCutShort.end();
}

}  // namespace

// glibc's internal low-level locks wait with plain FUTEX_WAIT; condition variables, joins and semaphores use the bitset
// form. A thread in the first may be inside malloc.
bool may_hold_library_lock(const Whereabouts &where) {
  constexpr uint64_t kFutexCommandMask = 0x7f;
  constexpr uint64_t kFutexWaitBitset = 9;
  switch (where.number) {
    case SYS_futex:
      return (where.arguments[1] & kFutexCommandMask) != kFutexWaitBitset;
    case SYS_brk:
    case SYS_mmap:
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_madvise:
    case SYS_mremap:
      return true;
    default:
      return false;
  }
}

// Blocked threads first: borrowing those delays nobody. The leader first among equals: its stack is the roomiest.
std::vector<LendCandidate> candidates(const Process &process, BorrowFor purpose, const std::vector<pid_t> &tasks) {
  std::vector<LendCandidate> out;
  for (size_t i = 0; i < std::min(tasks.size(), kMaxThreadsTried); ++i) {
    LendCandidate candidate{tasks[i], 0, read_whereabouts(process, tasks[i])};
    const Whereabouts &where = candidate.where;
    if (where.number == SYS_vfork || (where.blocked && may_be_cut_short(where.number))) candidate.rank += 8;
    if (purpose == BorrowFor::function_call && where.blocked && may_hold_library_lock(where)) continue;
    if (!where.blocked) candidate.rank += 2;
    if (candidate.tid != process.pid()) candidate.rank += 1;
    out.push_back(candidate);
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const LendCandidate &a, const LendCandidate &b) { return a.rank < b.rank; });
  return out;
}

std::string check_stack(const Maps &maps, const Registers &registers) {
  const Mapping *stack = maps.at(RunAddr(registers.rsp));
  if (stack == nullptr || !stack->readable || !stack->writable || stack->shared)
    return "its stack is not ordinary memory";
  // Below the stack pointer of a coroutine in a heap there may be somebody else's memory. Native stacks are those of
  // the kernel and those that hold their own thread control block, as every C library's do.
  const bool native = stack->name == "[stack]" ||
                      (stack->range.contains(RunAddr(registers.fs_base)) && registers.fs_base > registers.rsp);
  if (!native) return "it does not run on its own stack";
  constexpr uint64_t kRoom = 40 << 10;
  if (registers.rsp - stack->range.begin.value < kRoom) return "its stack has too little room";
  return {};
}

Status leave_restartable_sequence(const Process &process, const Tracee &tracee, Registers &registers) {
  const std::optional<uint64_t> area = TRY(tracee.rseq_area());
  if (!area) return {};
  uint64_t descriptor = 0;
  ReadPiece piece{RunAddr(*area + kRseqCsOffset), {reinterpret_cast<uint8_t *>(&descriptor), sizeof descriptor}};
  process.read_many({&piece, 1});
  if (descriptor == 0) return {};
  // struct rseq_cs { u32 version, flags; u64 start_ip, post_commit_offset, abort_ip }
  const Result<std::array<uint64_t, 4>> section = process.read_value<std::array<uint64_t, 4>>(RunAddr(descriptor));
  if (!section) return {};
  if (registers.rip - (*section)[1] < (*section)[2]) registers.rip = (*section)[3];
  return {};
}

}  // namespace suture
