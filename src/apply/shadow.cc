#include "apply/shadow.h"

#include <algorithm>
#include <array>

#include "apply/target_memory.h"
#include "base/byte_writer.h"
#include "base/fault.h"

namespace suture {
namespace {

constexpr uint64_t kTableMagic = 0x4241545753545553;  // "SUTSWTAB"
constexpr uint64_t kArenaMagic = 0x4e45524157535553;  // "SUSWAREN"
constexpr uint64_t kMaxArenaBytes = uint64_t{2} << 30;
constexpr size_t kMaxArenas = 1 << 16;

struct TableHead {
  uint64_t magic = 0;
  uint64_t bytes = 0;
  uint64_t arenas = 0;
};
struct ArenaHead {
  uint64_t magic = 0;
  uint64_t next = 0;
  uint64_t bytes = 0;
};

std::optional<TableHead> read_table(const Process &process, RunRange range) {
  if (range.size_bytes == 0) return std::nullopt;
  const Result<TableHead> head = process.read_value<TableHead>(range.begin);
  if (!head || head->magic != kTableMagic || head->bytes != range.size_bytes) return std::nullopt;
  return *head;
}

// The latest first. Stops at whatever is not an arena.
void add_arenas(const Process &process, uint64_t at, std::vector<RunRange> &out) {
  for (size_t count = 0; at != 0 && count < kMaxArenas; ++count) {
    const Result<ArenaHead> head = process.read_value<ArenaHead>(RunAddr(at));
    if (!head || head->magic != kArenaMagic || at % kPageBytes != 0) return;
    if (head->bytes == 0 || head->bytes > kMaxArenaBytes || head->bytes % kPageBytes != 0) return;
    out.push_back({RunAddr(at), head->bytes});
    at = head->next;
  }
}

}  // namespace

std::optional<RunRange> find_shadow_table(const Process &process, const std::vector<FoundRecord> &records,
                                          RunAddr base) {
  for (const FoundRecord &found : records) {
    if (found.record.base != base || found.head.state != static_cast<uint64_t>(RecordState::applied)) continue;
    if (read_table(process, found.record.shadow)) return found.record.shadow;
  }
  return std::nullopt;
}

Bytes shadow_table_head() {
  ByteWriter out;
  out.u64(kTableMagic);
  out.u64(kShadowTableBytes);
  return std::move(out).take();
}

std::vector<RunRange> own_shadow_memory(const Process &process, const std::vector<FoundRecord> &records,
                                        const Transaction &transaction) {
  std::vector<RunRange> arenas;
  std::vector<RunRange> tables;
  for (const Record &unit : transaction.units) {
    const bool shared = std::any_of(records.begin(), records.end(), [&](const FoundRecord &other) {
      return other.record.transaction != transaction.units.front().transaction &&
             other.record.shadow.begin == unit.shadow.begin && other.record.shadow.size_bytes != 0;
    });
    const std::optional<TableHead> head = read_table(process, unit.shadow);
    if (shared || !head) continue;
    add_arenas(process, head->arenas, arenas);
    tables.push_back(unit.shadow);
  }
  // Each arena leads to the one behind it here, and a table to its first: taken from the back, the chain stays whole.
  tables.insert(tables.end(), arenas.begin(), arenas.end());
  return tables;
}

Status unmap_shadow_memory(BorrowedThread &thread, const std::vector<RunRange> &memory) {
  for (auto range = memory.rbegin(); range != memory.rend(); ++range) {
    TRY(unmap_range(thread, *range));
    fault_point("release-shadow");
  }
  return {};
}

}  // namespace suture
