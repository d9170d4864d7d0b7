// The memory of shadow data (include/suture/patch.h) in a target: a table that lies behind the data of the patch that
// first needed it, and the arenas that patch code has mapped since, chained from the table. Patches of one copy of an
// image share it; it goes with the last of them.
#pragma once

#include <optional>
#include <vector>

#include "apply/transaction.h"
#include "process/borrowed_thread.h"

namespace suture {

// sizeof(struct suture_shadow_table): a head of 64 bytes and 8184 buckets.
inline constexpr uint64_t kShadowTableBytes = 65536;

// The table that an applied patch of this copy of the image uses.
std::optional<RunRange> find_shadow_table(const Process &process, const std::vector<FoundRecord> &records,
                                          RunAddr base);

// First bytes of a fresh table.
Bytes shadow_table_head();

// Tables and arenas that no record uses but those of the transaction. Read from the target: sane ranges that begin as
// such memory does.
std::vector<RunRange> own_shadow_memory(const Process &process, const std::vector<FoundRecord> &records,
                                        const Transaction &transaction);

// Ends with the tables, so that a run that dies meanwhile leaves what the next one finds.
Status unmap_shadow_memory(BorrowedThread &thread, const std::vector<RunRange> &memory);

}  // namespace suture
