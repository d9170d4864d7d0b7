// Which threads of a process are fit to be borrowed, and what is to be minded about each.
#pragma once

#include <string>
#include <vector>

#include "process/process.h"
#include "process/tracee.h"

namespace suture {

inline constexpr int64_t kNotInSyscall = -1;

// Where a thread stands, seen from outside.
struct Whereabouts {
  bool blocked = false;
  int64_t number = kNotInSyscall;
  uint64_t arguments[6] = {};
};

enum class BorrowFor {
  syscalls,
  function_call,  // additionally: not in the middle of the C library's, the loader's or libgcc's own work
};

struct LendCandidate {
  pid_t tid = 0;
  int rank = 0;  // lower is better
  Whereabouts where;
};

// The best suited first.
std::vector<LendCandidate> candidates(const Process &process, BorrowFor purpose, const std::vector<pid_t> &tasks);
// A thread in this call may be in the middle of the C library's own work.
bool may_hold_library_lock(const Whereabouts &where);
// Empty when frames can be put on the thread's stack, else why not.
std::string check_stack(const Maps &maps, const Registers &registers);
// A thread stopped inside a restartable sequence must resume at its abort address: once its rip is moved elsewhere
// the kernel forgets that it was inside. Being stopped is a preemption, so that is what the kernel would do anyhow.
Status leave_restartable_sequence(const Process &process, const Tracee &tracee, Registers &registers);

}  // namespace suture
