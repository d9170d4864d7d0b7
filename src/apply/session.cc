#include "apply/session.h"

#include <algorithm>

#include "base/cat.h"
#include "process/preflight.h"

namespace suture {
namespace {

// Each step of a borrowed thread waits for the processor: on a machine with forty runnable tasks a core, seconds pass.
constexpr uint64_t kBorrowMs = 10000;

bool overlaps(RunAddr a, RunAddr b) {
  return a < b + kRedirectBytes && b < a + kRedirectBytes;
}

bool is_live(const FoundRecord &found) {
  return found.head.state != static_cast<uint64_t>(RecordState::reverted);
}

}  // namespace

Result<Session> Session::open(pid_t pid, uint64_t timeout_ms) {
  Session out{TRY(Process::open(pid)), {}, {}, {}, {}, {}, false, false};
  TRY(out.process.claim(Deadline::in_ms(timeout_ms)));
  TRY(out.refresh());
  return out;
}

Status Session::refresh() {
  maps = TRY(process.maps());
  modules = TRY(find_modules(process, maps));
  records = TRY(find_records(process, maps));
  for (const FoundRecord &found : records)
    tsc_is_readable = tsc_is_readable || (found.head.flags & kFlagTscIsReadable) != 0;
  return {};
}

Status Session::find_gadgets() {
  if (!gadgets) gadgets = TRY(suture::find_gadgets(process, maps));
  return {};
}

Result<BorrowedThread> Session::borrow(BorrowFor purpose) {
  TRY(find_gadgets());
  return BorrowedThread::borrow(process, maps, modules, *gadgets, purpose, Deadline::in_ms(kBorrowMs));
}

std::optional<std::string> covered_by(const Session &session, const Transaction &transaction) {
  for (const FoundRecord &other : session.records) {
    if (other.record.order <= transaction.units.front().order || !is_live(other)) continue;
    for (const RecordFunction &theirs : other.record.functions)
      for (const Record &unit : transaction.units)
        for (const RecordFunction &ours : unit.functions)
          if (overlaps(theirs.site, ours.site)) return other.record.patch_id;
  }
  return std::nullopt;
}

}  // namespace suture
