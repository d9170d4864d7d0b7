#include "apply/held_pointers.h"

#include <sys/syscall.h>

#include <algorithm>
#include <csignal>

#include "apply/shadow.h"
#include "base/cat.h"
#include "process/pointer_guard.h"

namespace suture {
namespace {

constexpr uint64_t kMaxPointerScan = uint64_t{2} << 30;
constexpr size_t kScanChunk = 1 << 20;

// Memory that goes with the transaction: regions, and shadow data that nobody else uses. By address.
std::vector<RunRange> memory_of(const Session &session, const Transaction &transaction) {
  std::vector<RunRange> out = own_shadow_memory(session.process, session.records, transaction);
  for (const Record &unit : transaction.units)
    for (const RunRange &range : {unit.reachable_code(), unit.data})
      if (range.size_bytes != 0) out.push_back(range);
  std::sort(out.begin(), out.end(), [](const RunRange &a, const RunRange &b) { return a.begin < b.begin; });
  return out;
}

bool any_holds(const std::vector<RunRange> &memory, uint64_t word) {
  const auto behind = std::upper_bound(memory.begin(), memory.end(), RunAddr(word),
                                       [](RunAddr at, const RunRange &range) { return at < range.begin; });
  return behind != memory.begin() && std::prev(behind)->contains(RunAddr(word));
}

// libgcc sorts pointers to frame descriptions in memory that it frees but does not clear; once it has forgotten them,
// nothing follows those.
bool matters(const Transaction &transaction, const std::vector<RunRange> &memory, uint64_t word) {
  return any_holds(memory, word) &&
         std::none_of(transaction.units.begin(), transaction.units.end(),
                      [&](const Record &unit) { return unit.eh_frame.contains(RunAddr(word)); });
}

// Stacks keep words of calls long returned; live returns were ruled out with the threads stopped, which is when their
// stack pointers were seen (a running thread does not show its own).
std::vector<const Mapping *> thread_stacks(const Session &session, const SeenThreads &threads) {
  std::vector<const Mapping *> out;
  for (const RunAddr sp : threads.stack_pointers)
    if (const Mapping *mapping = session.maps.at(sp)) out.push_back(mapping);
  return out;
}

// A function or string of the patch stored somewhere, or a function that is to be called when a thread or the process ends.
bool data_points_into(const Session &session, const Transaction &transaction, const std::vector<RunRange> &memory,
                      const SeenThreads &threads) {
  const std::vector<const Mapping *> stacks = thread_stacks(session, threads);
  const PointerGuard guard = PointerGuard::of(session.process, threads.thread_pointer);
  std::vector<uint64_t> buffer(kScanChunk / sizeof(uint64_t));
  uint64_t scanned = 0;
  for (const Mapping &mapping : session.maps.all()) {
    if (!mapping.writable || !mapping.readable || mapping.name == "[stack]") continue;
    if (std::find(stacks.begin(), stacks.end(), &mapping) != stacks.end()) continue;
    for (uint64_t at = 0; at < mapping.range.size_bytes; at += kScanChunk) {
      const size_t count = static_cast<size_t>(std::min<uint64_t>(kScanChunk, mapping.range.size_bytes - at));
      ReadPiece piece{mapping.range.begin + at, {reinterpret_cast<uint8_t *>(buffer.data()), count}};
      session.process.read_many({&piece, 1});
      scanned += piece.read_bytes;
      if (scanned > kMaxPointerScan) return true;  // too much to look through: assume so
      for (size_t i = 0; i < piece.read_bytes / sizeof(uint64_t); ++i)
        // Own memory may lie in one mapping with that of others.
        if ((matters(transaction, memory, buffer[i]) || any_holds(memory, guard.plain(buffer[i]))) &&
            !any_holds(memory, (piece.at + i * sizeof(uint64_t)).value))
          return true;
    }
  }
  return false;
}

// What rt_sigaction tells (Linux, arch/x86/include/uapi/asm/signal.h, struct sigaction of the kernel).
struct KernelAction {
  uint64_t handler = 0;
  uint64_t flags = 0;
  uint64_t restorer = 0;
  uint64_t mask = 0;
};
constexpr uint64_t kKernelMaskBytes = 8;

// Only the kernel knows a signal handler's address, and tells it to nobody but the process itself.
Result<bool> a_handler_is_in(Session &session, const std::vector<RunRange> &memory) {
  const std::string status = TRY(session.process.proc_text("status"));
  const std::optional<uint64_t> caught = status_number(status, "SigCgt", 16);  // one bit each
  if (!caught) return Error::failed("/proc does not tell which signals are caught");
  if (*caught == 0) return false;
  const ChildSignalBlock signals;
  BorrowedThread thread = TRY(session.borrow(BorrowFor::syscalls));
  const RunAddr answer = TRY(thread.put_text(std::string(sizeof(KernelAction), '\0')));
  bool found = false;
  for (uint64_t number = 1; number < NSIG && !found; ++number) {
    if ((*caught >> (number - 1) & 1) == 0) continue;
    const int64_t got = TRY(thread.syscall(SYS_rt_sigaction, {number, 0, answer.value, kKernelMaskBytes, 0, 0}));
    if (got < 0) return Error::failed(cat("the process may not ask for the handler of signal ", number));
    const KernelAction action = TRY(session.process.read_value<KernelAction>(answer));
    found = any_holds(memory, action.handler) || any_holds(memory, action.restorer);
  }
  TRY(std::move(thread).give_back());
  return found;
}

}  // namespace

Result<bool> something_points_into(Session &session, const Transaction &transaction, const SeenThreads &threads) {
  const std::vector<RunRange> memory = memory_of(session, transaction);
  if (threads.hold_memory || data_points_into(session, transaction, memory, threads)) return true;
  return a_handler_is_in(session, memory);
}

}  // namespace suture
