#include "apply/transaction.h"

#include <algorithm>
#include <map>

#include "arch/arch.h"
#include "base/byte_writer.h"
#include "base/cat.h"
#include "base/fault.h"

namespace suture {
namespace {

EntryState classify(const RecordFunction &function, const std::array<uint8_t, kRedirectBytes> &now) {
  if (now == function.direct_bytes) return EntryState::new_code;
  if (function.has_gate() && now == function.gate_bytes) return EntryState::gate;
  return now == function.old_bytes ? EntryState::old_code : EntryState::foreign;
}

// What callers get now. A lone redirect decides by itself unless it leads to its gate.
Version version_in_effect(const EntryReport &report, size_t function_count) {
  const Version by_gate = (report.gate & kGateNew) != 0 ? Version::new_code : Version::old_code;
  if (function_count != 1) return by_gate;
  if (report.any_is(EntryState::new_code)) return Version::new_code;
  if (report.any_is(EntryState::old_code)) return Version::old_code;
  return by_gate;
}

}  // namespace

size_t Transaction::function_count() const {
  size_t out = 0;
  for (const Record &unit : units) out += unit.functions.size();
  return out;
}

bool Transaction::every_function_has_a_gate() const {
  return std::all_of(units.begin(), units.end(), [](const Record &unit) {
    return std::all_of(unit.functions.begin(), unit.functions.end(),
                       [](const RecordFunction &f) { return f.has_gate(); });
  });
}

std::vector<Transaction> group_transactions(const std::vector<FoundRecord> &records) {
  std::vector<Transaction> out;
  std::map<std::array<uint8_t, 16>, size_t> index;
  for (const FoundRecord &found : records) {
    const auto [entry, fresh] = index.try_emplace(found.record.transaction, out.size());
    if (fresh) out.push_back({{}, RunAddr(found.head.gate_address)});
    out[entry->second].units.push_back(found.record);
  }
  return out;
}

bool EntryReport::all_are(EntryState state) const {
  return std::all_of(entries.begin(), entries.end(), [&](const std::vector<EntryState> &unit) {
    return std::all_of(unit.begin(), unit.end(), [&](EntryState s) { return s == state; });
  });
}

bool EntryReport::any_is(EntryState state) const {
  return std::any_of(entries.begin(), entries.end(), [&](const std::vector<EntryState> &unit) {
    return std::find(unit.begin(), unit.end(), state) != unit.end();
  });
}

EntryReading::EntryReading(const Process &process, const Transaction &transaction)
    : process_(process),
      transaction_(transaction),
      bytes_(transaction.function_count()),
      words_(transaction.units.size() + 1) {
  const auto add_word = [&](RunAddr at, uint64_t &word) {
    pieces_.push_back({at, {reinterpret_cast<uint8_t *>(&word), sizeof word}});
  };
  for (size_t i = 0; i < transaction.units.size(); ++i)
    add_word(transaction.units[i].code.begin + kStateOffset, words_[i]);
  // A run that died while mapping may not have come to the first unit: then the gate does not exist and is old.
  if (transaction.units.front().unit == 0) add_word(transaction.gate, words_.back());
  size_t next = 0;
  for (const Record &unit : transaction.units)
    for (const RecordFunction &function : unit.functions) pieces_.push_back({function.site, bytes_[next++]});
}

Result<EntryReport> EntryReading::read(std::optional<ReadPiece> more) {
  const size_t own = pieces_.size();
  if (more) pieces_.push_back(*more);
  process_.read_many(pieces_);
  const bool got_more = !more || pieces_.back().read_bytes == more->out.size();
  pieces_.resize(own);
  if (!got_more) return Error::failed(cat("the word at ", hex(more->at.value), " can no longer be read"));
  for (const ReadPiece &piece : pieces_)
    if (piece.read_bytes != piece.out.size())
      return Error::failed(cat("the entry at ", hex(piece.at.value), " can no longer be read"));
  return report();
}

EntryReport EntryReading::report() const {
  EntryReport out;
  out.gate = words_.back();
  size_t next = 0;
  for (size_t i = 0; i < transaction_.units.size(); ++i) {
    out.states.push_back(static_cast<RecordState>(words_[i]));
    std::vector<EntryState> &states = out.entries.emplace_back();
    for (const RecordFunction &function : transaction_.units[i].functions)
      states.push_back(classify(function, bytes_[next++]));
  }
  out.in_effect = version_in_effect(out, transaction_.function_count());
  return out;
}

Result<EntryReport> read_entries(const Process &process, const Transaction &transaction) {
  return EntryReading(process, transaction).read();
}

Status Switchboard::write(RunAddr at, ByteView bytes) {
  Status done = process_.write(at, bytes);
  if (done) return done;
  Tracee *tracee = world_.any_stopped();
  return tracee == nullptr ? done : tracee->poke(at, bytes);
}

Status Switchboard::write_word(RunAddr at, uint64_t value) {
  return write(at, {reinterpret_cast<const uint8_t *>(&value), sizeof value});
}

Status Switchboard::write_entries(EntryState to) {
  for (const Record &unit : transaction_.units)
    for (const RecordFunction &function : unit.functions) {
      if (to == EntryState::gate && !function.has_gate()) continue;
      TRY(write(function.site, to == EntryState::gate       ? function.gate_bytes
                               : to == EntryState::new_code ? function.direct_bytes
                                                            : function.old_bytes));
      fault_point("switch-entry");
    }
  return {};
}

Status Switchboard::install_gates(Version in_effect) {
  TRY(write_word(transaction_.gate, in_effect == Version::new_code ? kGateNew : kGateOld));
  return write_entries(EntryState::gate);
}

// Gates of another version of this tool are left as they are.
Status Switchboard::write_guests(const std::vector<RunRange> &guests) {
  const GateCode code = process_.arch().gate_code();
  ByteWriter list;
  for (size_t i = 0; i < std::min<size_t>(guests.size(), code.guests); ++i) {
    list.u64(guests[i].begin.value);
    list.u64(guests[i].end().value);
  }
  list.zeros(GateCode::kGuestBytes);
  const Bytes bytes = std::move(list).take();
  for (const Record &unit : transaction_.units)
    if (unit.hold_code.size_bytes == code.hold.code.size()) TRY(write(unit.hold_code.begin + code.guests_at, bytes));
  return {};
}

Status Switchboard::hold(const std::vector<std::vector<bool>> &marked, const std::vector<RunRange> &guests, uint64_t until) {
  TRY(write_guests(guests));
  for (size_t i = 0; i < transaction_.units.size(); ++i)
    for (size_t f = 0; f < transaction_.units[i].functions.size(); ++f) {
      const RecordFunction &function = transaction_.units[i].functions[f];
      if (!function.has_gate()) continue;
      const uint8_t flag = marked[i][f] ? 1 : 0;
      TRY(write(function.hold_flag, {&flag, 1}));
    }
  TRY(write_word(transaction_.units.front().code.begin + kHoldUntilOffset, until));
  const uint64_t gate = TRY(process_.read_value<uint64_t>(transaction_.gate));
  return write_word(transaction_.gate, (gate & kGateNew) | kGateHold);
}

Status Switchboard::switch_to(Version version, const EntryReport &entries) {
  const EntryState direct = version == Version::new_code ? EntryState::new_code : EntryState::old_code;
  const bool lone = transaction_.function_count() == 1;
  const bool at_gates = entries.any_is(EntryState::gate);
  if (!lone || at_gates) {
    // The gate word says what is in effect now, so leading entries through gates changes nothing ...
    if (!entries.all_are(EntryState::gate)) TRY(install_gates(entries.in_effect));
    // ... and this one aligned store is the commit.
    fault_point("switch-before-gate");
    TRY(write_word(transaction_.gate, version == Version::new_code ? kGateNew : kGateOld));
    fault_point("switch-after-gate");
  }
  // For a lone redirect without a gate, this write is the commit.
  return write_entries(direct);
}

Status Switchboard::settle(Version version) {
  TRY(write_word(transaction_.gate, version == Version::new_code ? kGateNew : kGateOld));
  fault_point("switch-before-state");
  const RecordState state = version == Version::new_code ? RecordState::applied : RecordState::reverted;
  for (const Record &unit : transaction_.units)
    TRY(write_word(unit.code.begin + kStateOffset, static_cast<uint64_t>(state)));
  return {};
}

}  // namespace suture
