#include "apply/leave_memory.h"

#include "process/preflight.h"
#include "process/register_names.h"

namespace suture {
namespace {

// Gates open within 8 ms; a thread that was preempted in one takes longer.
constexpr int kLooks = 8;
constexpr uint64_t kFirstWaitUs = 500;
constexpr uint64_t kLookPatienceMs = 200;

}  // namespace

SeenThreads::SeenThreads(const World &world, const QuiescenceAnswer &answer) : hold_memory(answer.memory_is_held) {
  for (const StoppedThread &thread : world.threads()) {
    stack_pointers.push_back(suture::stack_pointer(thread.registers));
    thread_pointer = suture::thread_pointer(thread.registers);
  }
}

QuiescenceQuery memory_query(const Transaction &transaction) {
  QuiescenceQuery query;
  query.names.push_back("memory of the patch");
  for (const Record &unit : transaction.units) {
    query.ranges.push_back({unit.code, 0, false, {}});
    query.memory.push_back(unit.reachable_code());
    if (unit.data.size_bytes != 0) query.memory.push_back(unit.data);
  }
  return query;
}

Result<LeftMemory> wait_until_left(Session &session, const Transaction &transaction) {
  const QuiescenceQuery query = memory_query(transaction);
  QuiescenceChecker checker(session.process, session.modules, session.records);
  checker.prepare(query);
  const ChildSignalBlock signals;
  World world(session.process, TRY(find_memory_sharers(session.process)));
  TRY(world.seize_all());
  LeftMemory out;
  uint64_t wait_us = kFirstWaitUs;
  for (int look = 0; look < kLooks && (!out.unused || out.threads.hold_memory); ++look, wait_us *= 2) {
    TRY(world.wait_running(Deadline::in_us(wait_us)));
    const RealTimePriority priority;
    TRY(world.stop(Deadline::in_ms(kLookPatienceMs)));
    const Result<QuiescenceAnswer> answer = checker.check(world, query, session.maps);
    out.unused = answer && answer->inside.empty();
    if (out.unused) out.threads = SeenThreads(world, *answer);
    TRY(world.resume());
    if (!answer) return answer.error();
  }
  return out;
}

}  // namespace suture
