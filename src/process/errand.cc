#include "process/errand.h"

#include <sys/random.h>
#include <sys/syscall.h>

#include <algorithm>

#include "base/byte_writer.h"
#include "base/cat.h"
#include "base/fault.h"
#include "process/interrupted_call.h"
#include "process/world.h"

namespace suture {
namespace {

constexpr uint64_t kEverySignal = ~uint64_t{0};
constexpr uint64_t kSendPatienceMs = 20;
constexpr uint64_t kSendSpinUs = 100;
constexpr size_t kMaxTried = 4;  // threads; what none of these is fit for is done with a borrowed one
constexpr int64_t kRestartWithTimeLeft = -516;
constexpr size_t kWordBytes = 8;

uint64_t random_word() {
  uint64_t out = 0;
  (void)::getrandom(&out, sizeof out, 0);  // 8 bytes always come; whatever they are, they only have to differ
  return out;
}

// The memory below the frames: a random word, the scratch memory, two more words. The last is what the chain's last
// call writes the signal mask over, which is how its end is seen; the others tell whether the memory between is still
// ours when it is read, as the thread goes on to use its stack.
class Luggage {
 public:
  explicit Luggage(const Errand &errand) : errand_(errand), scratch_bytes_((errand.scratch.size() + 7) / 8 * 8) {
    writer_.u64(before_);
    writer_.append(errand.scratch);
    writer_.zeros(scratch_bytes_ - errand.scratch.size());
    writer_.u64(after_);
    writer_.u64(unfinished_);
  }
  uint64_t size() const { return scratch_bytes_ + 3 * kWordBytes; }
  const Bytes &bytes() const { return writer_.bytes(); }

  std::vector<ChainedCall> calls(RunAddr at) const {
    std::vector<ChainedCall> out;
    for (const ErrandCall &call : errand_.calls) {
      ChainedCall &made = out.emplace_back(ChainedCall{call.number, call.arguments});
      if (call.scratch_argument) made.arguments[*call.scratch_argument] += at.value + kWordBytes;
    }
    // With no new mask, only the old one is written.
    const uint64_t end = at.value + size() - kWordBytes;
    out.push_back({SYS_rt_sigprocmask, {0, 0, end, sizeof(uint64_t), 0, 0}});
    return out;
  }

  bool is_finished(ByteView now) const { return load<uint64_t>(now, now.size() - kWordBytes) != unfinished_; }
  std::optional<Bytes> scratch(ByteView now) const {
    const bool ours = load<uint64_t>(now, 0) == before_ && load<uint64_t>(now, now.size() - 2 * kWordBytes) == after_;
    if (!ours) return std::nullopt;
    return Bytes(now.begin() + kWordBytes, now.begin() + static_cast<ptrdiff_t>(kWordBytes + errand_.scratch.size()));
  }

 private:
  const Errand &errand_;
  size_t scratch_bytes_;
  uint64_t before_ = random_word();
  uint64_t after_ = random_word();
  uint64_t unfinished_ = random_word();
  ByteWriter writer_;
};

class Traveller {
 public:
  Traveller(const Process &process, const Maps &maps, const Gadgets &gadgets, const Errand &errand)
      : process_(process), maps_(maps), gadgets_(gadgets), errand_(errand), luggage_(errand) {
    prepare_signal_frames();
    // Touched here, so that it need not be in the stop.
    extended_.resize(kMaxExtendedState);
    rehearse();
  }

  // Whether this thread has set off. One that sleeps gets its processor only if we do not wait on it for it.
  Result<bool> send(const LendCandidate &candidate) {
    std::optional<Tracee> tracee = TRY(Tracee::seize(candidate.tid));
    if (!tracee) return false;
    const RealTimePriority priority;
    TRY(tracee->interrupt());
    const Deadline spin = candidate.where.blocked ? Deadline{0} : spin_for_us(kSendSpinUs);
    const Tracee::Waited waited = TRY(tracee->wait_stop(Deadline::in_ms(kSendPatienceMs), spin));
    if (waited != Tracee::Waited::stopped) return false;
    Result<bool> sent = set_off(*tracee);
    fault_point("errand-set");
    TRY(tracee->detach());
    fault_point("errand-gone");
    return sent;
  }

  Result<ErrandReport> await(Deadline deadline) const {
    constexpr uint64_t kPatienceUs = 200;
    constexpr timespec kBetween{0, 100000};
    Bytes now(static_cast<size_t>(luggage_.size()));
    const Deadline spin = Deadline::in_us(kPatienceUs);
    for (;;) {
      TRY(process_.read(luggage_at_, now));
      if (luggage_.is_finished(now)) return ErrandReport{luggage_.scratch(now)};
      if (deadline.passed())
        return Error::refused("a thread gets no processor time (frozen, or the machine is overloaded)");
      if (spin.passed()) ::nanosleep(&kBetween, nullptr);
    }
  }

 private:
  // What computes the frames has run once, with its pages and tables there, before anybody waits for it.
  void rehearse() {
    Registers registers{};
    registers.rsp = extended_.size() * 2;
    const SignalFrame frame = build_signal_frame(registers, 0, extended_, gadgets_.sigreturn);
    (void)lay_out(frame, registers);
  }

  // Everything here is in the stop. The frames are complete before the first register is changed.
  Result<bool> set_off(Tracee &tracee) {
    if (tracee.in_group_stop()) return false;  // it would not run before somebody continues the process
    Registers exact = TRY(tracee.registers());
    if (hide_interruption(exact)) TRY(tracee.set_registers(exact));
    // The kernel forgets how much of a time-out is left when a frame is returned into.
    const bool timed = restarts_call(exact) && static_cast<int64_t>(exact.rax) == kRestartWithTimeLeft;
    if (timed || !check_stack(maps_, exact).empty()) return false;
    if (tracee.has_seccomp_filter().value_or(true)) return false;  // a filter can be suspended only while attached
    if (errand_.still_wanted && !errand_.still_wanted()) return false;
    TRY(leave_restartable_sequence(process_, tracee, exact));
    const uint64_t mask = TRY(tracee.signal_mask());
    const size_t extended = TRY(tracee.extended_state(extended_));
    const SignalFrame frame = build_signal_frame(exact, mask, ByteView(extended_).first(extended), gadgets_.sigreturn);
    return write_chain(tracee, frame, exact);
  }

  struct Layout {
    RunAddr luggage_at;
    Bytes bytes;  // from there on: the luggage, the chain
    Registers first_registers{};
    bool fits = false;
  };

  Layout lay_out(const SignalFrame &frame, const Registers &exact) const {
    const uint64_t below = luggage_.size() + (errand_.calls.size() + 1) * kMostFrameBytes;
    Layout out{RunAddr((frame.at.value - below) & ~uint64_t{63}), luggage_.bytes()};
    const CallChain chain =
        build_call_chain(frame, exact, gadgets_.syscall_ret, gadgets_.sigreturn, luggage_.calls(out.luggage_at));
    out.fits = out.luggage_at + luggage_.size() <= chain.at;
    if (!out.fits) return out;
    out.bytes.reserve(static_cast<size_t>(chain.at - out.luggage_at) + chain.bytes.size());
    out.bytes.resize(static_cast<size_t>(chain.at - out.luggage_at));
    out.bytes.insert(out.bytes.end(), chain.bytes.begin(), chain.bytes.end());
    out.first_registers = chain.first_registers;
    return out;
  }

  Result<bool> write_chain(Tracee &tracee, const SignalFrame &frame, const Registers &exact) {
    const Layout layout = lay_out(frame, exact);
    if (!layout.fits) return Error::failed("the frames of an errand overlap");
    luggage_at_ = layout.luggage_at;
    if (!process_.write_own(luggage_at_, layout.bytes)) return false;
    fault_point("errand-frames");
    TRY(tracee.set_registers(layout.first_registers));
    fault_point("errand-registers");
    TRY(tracee.set_signal_mask(kEverySignal));
    return true;
  }

  static constexpr uint64_t kMostFrameBytes = 384;
  const Process &process_;
  const Maps &maps_;
  const Gadgets &gadgets_;
  const Errand &errand_;
  Luggage luggage_;
  Bytes extended_;
  RunAddr luggage_at_;
};

}  // namespace

Result<std::optional<ErrandReport>> run_errand(const Process &process, const Maps &maps, const Gadgets &gadgets,
                                               const Errand &errand, Deadline deadline) {
  Traveller traveller(process, maps, gadgets, errand);
  size_t tried = 0;
  for (const LendCandidate &candidate : candidates(process, BorrowFor::syscalls, TRY(process.tasks()))) {
    if (++tried > kMaxTried) break;
    const Result<std::string> status = process.task_text(candidate.tid, "status");
    if (!status || status_number(*status, "Seccomp").value_or(1) != 0) continue;
    const std::string_view state = status_field(*status, "State");
    if (state.empty() || state[0] == 'D' || state[0] == 'Z' || state[0] == 'T') continue;
    if (!TRY(traveller.send(candidate))) continue;
    return std::optional<ErrandReport>(TRY(traveller.await(deadline)));
  }
  return std::optional<ErrandReport>();
}

}  // namespace suture
