// The writes that switch a process between old and new, each order chosen so that a tool killed between any two of them
// leaves all of the old or all of the new in effect. With one redirect the single write of its jump decides; with
// several, all entries lead to gates first and the one aligned store of the gate word decides.
#pragma once

#include <optional>
#include <vector>

#include "apply/record.h"
#include "process/world.h"

namespace suture {

enum class Version { old_code, new_code };

struct Transaction {
  std::vector<Record> units;  // ascending by unit
  RunAddr gate;
  size_t function_count() const;
  // Redirects that are switched through gates need one each.
  bool every_function_has_a_gate() const;
  const std::string &patch_id() const { return units.front().patch_id; }
};

// Groups of records with one transaction id, in the order they were applied. Incomplete groups (a run died while
// mapping) are included: nothing leads to them.
std::vector<Transaction> group_transactions(const std::vector<FoundRecord> &records);

enum class EntryState { old_code, gate, new_code, foreign };

struct EntryReport {
  std::vector<std::vector<EntryState>> entries;  // by unit, by function
  uint64_t gate = kGateOld;
  std::vector<RecordState> states;  // by unit
  Version in_effect = Version::old_code;
  bool all_are(EntryState state) const;
  bool any_is(EntryState state) const;
};

// Reads how the entries are, by one call. Arranged ahead of a stop, to be read in it, any number of times.
class EntryReading {
 public:
  EntryReading(const Process &process, const Transaction &transaction);
  EntryReading(const EntryReading &) = delete;
  EntryReading &operator=(const EntryReading &) = delete;
  // `more`: something else to be read by the same call.
  Result<EntryReport> read(std::optional<ReadPiece> more = {});

 private:
  EntryReport report() const;

  const Process &process_;
  const Transaction &transaction_;
  std::vector<std::array<uint8_t, kRedirectBytes>> bytes_;
  std::vector<uint64_t> words_;
  std::vector<ReadPiece> pieces_;
};

Result<EntryReport> read_entries(const Process &process, const Transaction &transaction);

// Writes while the world is stopped (but for settle()).
class Switchboard {
 public:
  Switchboard(const Process &process, World &world, const Transaction &transaction)
      : process_(process), world_(world), transaction_(transaction) {}

  // Leads every entry that has a gate through it, which changes nothing for callers: the gate word names what is in
  // effect.
  Status install_gates(Version in_effect);
  // Callers of the marked functions (by unit, by function) wait at their gates until `until` of the time stamp counter; all but those whose
  // return address lies in one of `guests`, of which the first few count.
  Status hold(const std::vector<std::vector<bool>> &marked, const std::vector<RunRange> &guests, uint64_t until);
  // All or nothing. `entries` is how things are.
  Status switch_to(Version version, const EntryReport &entries);
  // Brings the record up to date with that. What callers get does not depend on it, so the process may run again.
  Status settle(Version version);

 private:
  Status write(RunAddr at, ByteView bytes);
  Status write_word(RunAddr at, uint64_t value);
  Status write_entries(EntryState to);
  Status write_guests(const std::vector<RunRange> &guests);

  const Process &process_;
  World &world_;
  const Transaction &transaction_;
};

}  // namespace suture
