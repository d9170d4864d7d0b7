// What one run knows of one process: opened and checked once, its map, modules and records read again when they may
// have changed.
#pragma once

#include <optional>
#include <vector>

#include "apply/record.h"
#include "apply/transaction.h"
#include "process/borrowed_thread.h"
#include "process/modules.h"
#include "process/process.h"
#include "process/tracee.h"

namespace suture {

struct Session {
  Process process;
  Maps maps;
  std::vector<Module> modules;
  std::vector<FoundRecord> records;
  std::optional<LoaderView> loader;
  std::optional<Gadgets> gadgets;
  bool tsc_is_readable = false;  // gates wait by the time stamp counter, which a process may have given up; records say

  bool tsc_is_known = false;  // asked of the process by this run

  // Waits until no other run is at work on the process.
  static Result<Session> open(pid_t pid, uint64_t timeout_ms);
  Status refresh();
  Status find_gadgets();
  Result<BorrowedThread> borrow(BorrowFor purpose);
  std::vector<Transaction> transactions() const { return group_transactions(records); }
};

// Patches of this process whose redirects lie over one of the transaction's and were made later.
std::optional<std::string> covered_by(const Session &session, const Transaction &transaction);

}  // namespace suture
