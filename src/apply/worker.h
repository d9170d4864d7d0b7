// One call's work on a target, in a thread of its own. The kernel attaches a tracee to the thread that seized it and lets
// go when that thread ends, whatever state the tracee is in; PTRACE_DETACH works on stopped ones only. So whatever could
// not be stopped (a vfork parent, a wait for a disk) is free when the call returns, not only when the tool exits.
#pragma once

#include <optional>
#include <thread>

#include "process/tracee.h"

namespace suture {

template <typename Work>
auto run_in_worker(Work work) {
  // Blocked here too, and inherited: a stop's signal goes to any thread of ours that does not block it, and is lost there.
  const ChildSignalBlock signals;
  std::optional<decltype(work())> out;
  std::thread([&] { out.emplace(work()); }).join();
  return std::move(*out);
}

}  // namespace suture
