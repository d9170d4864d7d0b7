#include "apply/quiescence.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "apply/gates.h"
#include "arch/arch.h"
#include "base/byte_writer.h"
#include "base/cat.h"
#include "process/register_names.h"
#include "process/signal_frame.h"
#include "unwind/signal_return.h"

namespace suture {
namespace {

constexpr uint64_t kPage = 4096;
// A stack is scanned from its pointer to its end. Coroutine stacks lie in heaps, whose end means nothing: those are
// scanned this far.
constexpr uint64_t kForeignStackScan = 256 << 10;
constexpr uint64_t kMaxStackScan = uint64_t{64} << 20;
constexpr uint64_t kMaxTotalScan = uint64_t{1} << 30;
constexpr size_t kMaxScansPerThread = 16;
constexpr size_t kFirstBufferWords = 8 << 10;

MemoryReader reader_of(const Process &process) {
  return [&process](RunAddr at, std::span<uint8_t> out) {
    ReadPiece piece{at, out};
    process.read_many({&piece, 1});
    return piece.read_bytes == out.size();
  };
}

// Whole pages, kept while the world stands still.
class PageCache {
 public:
  explicit PageCache(const Process &process) : process_(process) {}
  bool read(RunAddr at, std::span<uint8_t> out) {
    while (!out.empty()) {
      const uint64_t page = at.value & ~(kPage - 1);
      const size_t into = static_cast<size_t>(at.value - page);
      const size_t count = std::min<size_t>(kPage - into, out.size());
      const Bytes *bytes = fetch(page);
      if (bytes == nullptr) return false;
      std::memcpy(out.data(), bytes->data() + into, count);
      out = out.subspan(count);
      at = at + count;
    }
    return true;
  }

  void forget() { pages_.clear(); }

 private:
  const Bytes *fetch(uint64_t page) {
    const auto [entry, fresh] = pages_.try_emplace(page);
    if (fresh) {
      entry->second.resize(kPage);
      ReadPiece piece{RunAddr(page), entry->second};
      process_.read_many({&piece, 1});
      if (piece.read_bytes != kPage) entry->second.clear();
    }
    return entry->second.empty() ? nullptr : &entry->second;
  }
  const Process &process_;
  std::unordered_map<uint64_t, Bytes> pages_;
};

// The ranges of a query, arranged for one question asked of very many words.
class RangeSet {
 public:
  explicit RangeSet(const QuiescenceQuery &query) : query_(query) {
    for (const WatchedRange &watched : query.ranges) sorted_.push_back(&watched);
    std::sort(sorted_.begin(), sorted_.end(),
              [](const WatchedRange *a, const WatchedRange *b) { return a->range.begin < b->range.begin; });
    for (const WatchedRange *watched : sorted_) {
      low_ = std::min(low_, watched->range.begin.value);
      high_ = std::max(high_, watched->range.end().value);
    }
  }
  bool may_hold(uint64_t word) const { return word - low_ < high_ - low_; }
  const WatchedRange *find(RunAddr at) const {
    const auto after = std::upper_bound(sorted_.begin(), sorted_.end(), at,
                                        [](RunAddr a, const WatchedRange *w) { return a < w->range.begin; });
    // Ranges may nest (a gate in its region); the nearest begin that still holds the address wins.
    for (auto it = after; it != sorted_.begin();) {
      --it;
      if ((*it)->range.contains(at)) return *it;
      if (after - it > 8) break;
    }
    return nullptr;
  }
  // A return address never equals the begin of a range: that is a pointer to the function, or follows a call that does
  // not return in the code before.
  const WatchedRange *find_return(RunAddr at) const {
    const WatchedRange *found = find(at);
    return found != nullptr && at != found->range.begin ? found : nullptr;
  }
  const WatchedRange *find_pc(RunAddr pc) const {
    const WatchedRange *found = find(pc);
    if (found == nullptr || !found->begin_is_outside) return found;
    return pc == found->range.begin || pc == found->also_outside ? nullptr : found;
  }
  bool overwritten(RunAddr at) const {
    return std::any_of(query_.overwritten.begin(), query_.overwritten.end(),
                       [&](const RunRange &range) { return range.contains(at); });
  }

 private:
  const QuiescenceQuery &query_;
  std::vector<const WatchedRange *> sorted_;
  uint64_t low_ = UINT64_MAX;
  uint64_t high_ = 0;
};

// Executable memory, merged: asked once for every word of every stack.
class ExecutableRanges {
 public:
  explicit ExecutableRanges(const Maps &maps) {
    for (const Mapping &mapping : maps.all()) {
      if (!mapping.executable) continue;
      const uint64_t begin = mapping.range.begin.value;
      if (!ends_.empty() && ends_.back() == begin)
        ends_.back() = mapping.range.end().value;
      else {
        begins_.push_back(begin);
        ends_.push_back(mapping.range.end().value);
      }
    }
  }
  bool contains(uint64_t word) const {
    if (begins_.empty() || word < begins_.front() || word >= ends_.back()) return false;
    const auto after = std::upper_bound(begins_.begin(), begins_.end(), word);
    return word < ends_[static_cast<size_t>(after - begins_.begin()) - 1];
  }

 private:
  std::vector<uint64_t> begins_;
  std::vector<uint64_t> ends_;
};

// One stretch of one thread's stacks.
struct Scan {
  size_t thread = 0;
  RunRange range;
};

// A word on a stack that points at code: it may be a signal frame's return address.
struct PossibleFrame {
  Scan scan;
  RunAddr at;
  uint64_t word = 0;
};

struct ThreadState {
  const WatchedRange *hit = nullptr;  // by pc or by a stack word
  bool pc_inside = false;
  bool native_stack = true;
  size_t scans = 0;
};

}  // namespace

class QuiescenceChecker::Check {
 public:
  Check(const Process &process, const QuiescenceQuery &query, const Maps &maps, FrameTables &tables)
      : process_(process),
        query_(query),
        maps_(maps),
        tables_(tables),
        ranges_(query),
        executable_(maps),
        pages_(process),
        words_(kFirstBufferWords) {}

  // Learns what the words on the first thread's stack point at while it is in use: in the stop few are new.
  void rehearse() {
    constexpr uint64_t kUsual = 16 << 10;
    for (const Mapping &mapping : maps_.all()) {
      if (mapping.name != "[stack]") continue;
      const uint64_t size = std::min(kUsual, mapping.range.size_bytes);
      ReadPiece piece{mapping.range.end() - size, {reinterpret_cast<uint8_t *>(words_.data()), static_cast<size_t>(size)}};
      process_.read_many({&piece, 1});
      collect_frames({}, std::span(words_).first(piece.read_bytes / 8));
    }
    learn_restorers(frames_);
  }

  // Looks at the threads of the world that it has not seen yet.
  Status look_at(const std::vector<StoppedThread> &threads) {
    const size_t first = states_.size();
    threads_.assign(threads.begin(), threads.end());
    states_.resize(threads_.size());
    std::vector<Scan> scans;
    for (size_t i = first; i < states_.size(); ++i) {
      look_at_pc(i);
      look_at_registers(i);
      TRY(plan_scan(i, stack_pointer(registers(i)), scans));
    }
    while (!scans.empty()) {
      std::vector<Scan> more;
      TRY(scan_all(scans, more));
      scans = std::move(more);
    }
    for (size_t i = first; i < states_.size(); ++i) judge(i);
    pages_.forget();  // those still running may write to what was read
    return {};
  }
  QuiescenceAnswer answer() const { return answer_; }

 private:
  const Registers &registers(size_t i) const { return threads_[i].registers; }

  void look_at_pc(size_t i) {
    const RunAddr pc = program_counter(registers(i));
    if (ranges_.overwritten(pc)) answer_.overwritten_is_clear = false;
    states_[i].hit = ranges_.find_pc(pc);
    states_[i].pc_inside = states_[i].hit != nullptr;
  }

  void look_at_registers(size_t i) {
    if (query_.memory.empty()) return;
    const DwarfRegisters values = dwarf_registers(registers(i));
    for (size_t number = 0; number < values.size(); ++number)
      if (number != kDwarfPc) note_address(values[number]);
    // Leaf functions keep what they have below the stack pointer (psABI 3.2.2).
    std::array<uint64_t, kRedZoneBytes / 8> below{};
    const RunAddr from((stack_pointer(registers(i)).value - kRedZoneBytes) & ~uint64_t{7});
    if (!is_in_system_call(registers(i)) && pages_.read(from, {reinterpret_cast<uint8_t *>(below.data()), sizeof below}))
      for (const uint64_t word : below) note_address(word);
  }

  void note_address(uint64_t word) {
    const RunAddr at(word);
    const bool within = std::any_of(query_.memory.begin(), query_.memory.end(), [&](const RunRange &range) { return range.contains(at); });
    if (within && !follows_call(at)) answer_.memory_is_held = true;
  }

  bool follows_call(RunAddr at) {
    std::array<uint8_t, kLongestCallBytes> before{};
    return pages_.read(RunAddr(at.value - before.size()), before) && process_.arch().ends_with_call(before);
  }

  Status plan_scan(size_t i, RunAddr from, std::vector<Scan> &out) {
    if (++states_[i].scans > kMaxScansPerThread) return {};
    const Mapping *mapping = maps_.at(from);
    // The kernel extends [stack] below what the map said.
    if (mapping == nullptr)
      for (const Mapping &candidate : maps_.all())
        if (candidate.name == "[stack]" && from < candidate.range.begin) mapping = &candidate;
    if (mapping == nullptr) return Error::failed(cat("the stack of thread ", threads_[i].tid, " is not mapped"));
    RunAddr end = mapping->range.end();
    const RunAddr control = thread_pointer(registers(i));
    const bool own = mapping->range.contains(control) && control > from;
    if (own) end = control;
    if (!own && mapping->name != "[stack]") {
      states_[i].native_stack = false;
      end = std::min(end, from + kForeignStackScan);
    }
    if (end - from > kMaxStackScan) end = from + kMaxStackScan;
    const RunAddr begin((from.value + 7) & ~uint64_t{7});
    if (begin < end) out.push_back({i, {begin, (end - begin) & ~uint64_t{7}}});
    return {};
  }

  Status scan_all(const std::vector<Scan> &scans, std::vector<Scan> &more) {
    uint64_t total = 0;
    for (const Scan &scan : scans) total += scan.range.size_bytes;
    if (total > kMaxTotalScan) return Error::refused("the stacks of the process are too large to look through");
    if (words_.size() < total / 8) words_.resize(total / 8);
    std::vector<ReadPiece> pieces;
    pieces.reserve(scans.size());
    uint64_t *at = words_.data();
    for (const Scan &scan : scans) {
      pieces.push_back(
          {scan.range.begin, {reinterpret_cast<uint8_t *>(at), static_cast<size_t>(scan.range.size_bytes)}});
      at += scan.range.size_bytes / 8;
    }
    process_.read_many(pieces);
    frames_.clear();
    for (size_t i = 0; i < scans.size(); ++i) {
      const ReadPiece &piece = pieces[i];
      if (piece.read_bytes == 0 && !piece.out.empty())
        return Error::failed(cat("cannot read the stack of thread ", threads_[scans[i].thread].tid));
      const uint64_t *first = reinterpret_cast<const uint64_t *>(piece.out.data());
      scan_words(scans[i], {first, piece.read_bytes / 8});
    }
    learn_restorers(frames_);
    for (const PossibleFrame &frame : frames_)
      if (restorers_.at(frame.word)) follow_signal_frame(frame.scan, frame.at, more);
    return {};
  }

  void scan_words(const Scan &scan, std::span<const uint64_t> words) {
    for (const uint64_t word : words)
      if (ranges_.may_hold(word)) note_word(scan.thread, RunAddr(word));
    if (!query_.memory.empty())
      for (const uint64_t word : words) note_address(word);
    collect_frames(scan, words);
  }

  void collect_frames(const Scan &scan, std::span<const uint64_t> words) {
    for (size_t i = 0; i < words.size(); ++i)
      if (executable_.contains(words[i])) frames_.push_back({scan, scan.range.begin + i * 8, words[i]});
  }

  void note_word(size_t thread, RunAddr word) {
    const WatchedRange *found = ranges_.find_return(word);
    if (found == nullptr) return;
    if (ranges_.overwritten(word)) answer_.overwritten_is_clear = false;
    if (states_[thread].hit == nullptr) states_[thread].hit = found;
  }

  // Words that point at executable code are few, and are the same few from stack to stack; what they point at is looked
  // at once, all of it by one call.
  void learn_restorers(const std::vector<PossibleFrame> &frames) {
    std::vector<std::pair<const uint64_t, bool> *> unknown;
    for (const PossibleFrame &frame : frames)
      if (const auto [entry, fresh] = restorers_.try_emplace(frame.word, false); fresh) unknown.push_back(&*entry);
    std::vector<std::array<uint8_t, kLongestSignalReturn>> code(unknown.size());
    std::vector<ReadPiece> pieces;
    pieces.reserve(unknown.size());
    for (size_t i = 0; i < unknown.size(); ++i) pieces.push_back({RunAddr(unknown[i]->first), code[i]});
    process_.read_many(pieces);
    for (size_t i = 0; i < unknown.size(); ++i) unknown[i]->second = is_signal_return(ByteView(code[i].data(), pieces[i].read_bytes));
  }

  void follow_signal_frame(const Scan &scan, RunAddr frame, std::vector<Scan> &more) {
    std::array<uint64_t, 2> saved{};  // stack pointer, program counter
    if (!pages_.read(frame + kInterruptedSpOffset, {reinterpret_cast<uint8_t *>(saved.data()), sizeof saved})) return;
    const RunAddr pc(saved[1]);
    if (ranges_.overwritten(pc)) answer_.overwritten_is_clear = false;
    if (const WatchedRange *found = ranges_.find_pc(pc); found != nullptr && states_[scan.thread].hit == nullptr)
      states_[scan.thread].hit = found;
    if (scan.range.contains(RunAddr(saved[0])) || maps_.at(RunAddr(saved[0])) == nullptr) return;
    (void)plan_scan(scan.thread, RunAddr(saved[0]), more);  // a stale frame may name a stack that is gone
  }

  void judge(size_t i) {
    const Registers &r = registers(i);
    const pid_t tid = threads_[i].tid;
    const Inside found = who_is_inside(i);
    if (found.range != nullptr)
      answer_.inside.push_back({tid, found.range->function, is_in_system_call(r), found.nested_calls, held_at(r, found.nested_calls)});
    else if (gate_bytes(program_counter(r)))
      answer_.at_gates.push_back(tid);
  }

  struct Inside {
    const WatchedRange *range = nullptr;
    RunRange nested_calls;
  };

  Inside who_is_inside(size_t i) {
    const ThreadState &state = states_[i];
    if (state.hit == nullptr) return {};
    DwarfRegisters start = dwarf_registers(registers(i));
    leave_gate(start);
    const MemoryReader stack = [this](RunAddr at, std::span<uint8_t> out) { return pages_.read(at, out); };
    const Backtrace trace = unwind(tables_, start, stack);
    const Inside outermost = outermost_inside(trace, stack_pointer(registers(i)));
    if (outermost.range != nullptr) return outermost;
    // With the whole stack walked and nobody found, the word is what an earlier call left there.
    if (trace.end == Backtrace::End::bottom && !state.pc_inside) return {};
    return {state.hit, {}};
  }

  struct AtGate {
    const WatchedGates *gates = nullptr;
    uint64_t bytes = 0;  // on the stack above the caller's return address
  };

  std::optional<AtGate> gate_bytes(RunAddr pc) const {
    for (const WatchedGates &gates : query_.gates)
      if (const std::optional<uint64_t> bytes = gate_stack_bytes(gate_code_, *gates.record, pc)) return AtGate{&gates, *bytes};
    return std::nullopt;
  }

  // The function at whose gate the thread is, unless that lets it through.
  std::optional<size_t> held_at(const Registers &r, RunRange let_through) {
    const RunAddr pc = program_counter(r);
    const std::optional<AtGate> gate = gate_bytes(pc);
    if (!gate || let_through.contains(stack_pointer(r) + gate->bytes)) return std::nullopt;
    const Record &record = *gate->gates->record;
    uint64_t in_stub = pc.value;
    const RunAddr back = stack_pointer(r) + (gate->bytes - kReturnAddressBytes);  // from the waiting code, which the stubs call
    if (record.hold_code.contains(pc) && !pages_.read(back, {reinterpret_cast<uint8_t *>(&in_stub), sizeof in_stub})) return std::nullopt;
    const std::optional<size_t> function = function_of_gate(record, RunAddr(in_stub));
    return function ? std::optional(gate->gates->first_name + *function) : std::nullopt;
  }

  // At a gate, the caller's return address is the next thing on the stack.
  void leave_gate(DwarfRegisters &start) {
    const std::optional<AtGate> gate = gate_bytes(RunAddr(start[kDwarfPc]));
    if (!gate) return;
    uint64_t back = 0;
    const RunAddr at(start[kDwarfSp] + gate->bytes);
    if (!pages_.read(at, {reinterpret_cast<uint8_t *>(&back), sizeof back})) return;
    start[kDwarfPc] = back;
    start[kDwarfSp] = at.value + kReturnAddressBytes;
  }

  Inside outermost_inside(const Backtrace &trace, RunAddr stack) const {
    Inside out;
    for (const Frame &frame : trace.frames) {
      const WatchedRange *found = frame.exact ? ranges_.find_pc(frame.pc) : ranges_.find_return(frame.pc);
      if (found != nullptr) out = {found, calls_before_return_of(frame, stack)};
    }
    return out;
  }

  // A call that a frame makes, or one below it, has its return address below the frame's own.
  RunRange calls_before_return_of(const Frame &frame, RunAddr stack) const {
    const Mapping *mapping = maps_.at(stack);
    if (mapping == nullptr || frame.cfa.value < kReturnAddressBytes || !mapping->range.contains(RunAddr(frame.cfa.value - kReturnAddressBytes))) return {};
    return {mapping->range.begin, frame.cfa.value - kReturnAddressBytes - mapping->range.begin.value};
  }

  const Process &process_;
  const QuiescenceQuery &query_;
  const GateCode gate_code_ = query_.gates.empty() ? GateCode{} : process_.arch().gate_code();
  std::vector<StoppedThread> threads_;
  const Maps &maps_;
  FrameTables &tables_;
  RangeSet ranges_;
  ExecutableRanges executable_;
  PageCache pages_;
  std::vector<ThreadState> states_;
  std::vector<uint64_t> words_;  // made before the stop and used again: fresh memory costs a page fault a page
  std::vector<PossibleFrame> frames_;
  std::unordered_map<uint64_t, bool> restorers_;
  QuiescenceAnswer answer_;
};

QuiescenceChecker::QuiescenceChecker(const Process &process, const std::vector<Module> &modules,
                                     const std::vector<FoundRecord> &records)
    : process_(process), tables_(reader_of(process)) {
  for (const Module &module : modules)
    if (module.eh_frame_hdr) tables_.add({module.span, *module.eh_frame_hdr, {}});
  for (const FoundRecord &found : records)
    if (found.record.eh_frame.size_bytes != 0) tables_.add({found.record.code, {}, found.record.eh_frame});
}

void QuiescenceChecker::prepare(const QuiescenceQuery &query) {
  for (const WatchedRange &watched : query.ranges) tables_.prepare(watched.range.begin);
}

QuiescenceChecker::~QuiescenceChecker() = default;

void QuiescenceChecker::begin(const QuiescenceQuery &query, const Maps &maps) {
  query_ = &query;
  check_ = std::make_unique<Check>(process_, query, maps, tables_);
  check_->rehearse();
}

void QuiescenceChecker::look_ahead(const World &world) {
  if (check_ && !check_->look_at(world.threads())) check_.reset();
}

Result<QuiescenceAnswer> QuiescenceChecker::check(const World &world, Maps &maps) {
  // Given back by the next begin() or at the end: freeing it takes longer than all that is in the stop.
  if (check_ && check_->look_at(world.threads())) return check_->answer();
  // Threads born since the map was read have stacks it does not know.
  maps = TRY(process_.maps());
  return check(world, *query_, maps);
}

Result<QuiescenceAnswer> QuiescenceChecker::check(const World &world, const QuiescenceQuery &query, Maps &maps) {
  Check check(process_, query, maps, tables_);
  TRY(check.look_at(world.threads()));
  return check.answer();
}

}  // namespace suture
