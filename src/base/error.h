// What a failure is, in the words an operator needs: what the caller can do about it (Verdict), what the target is now
// (TargetState), the cause, and the steps that led there. Libraries return Errors; only cli/ and daemon/ print them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace suture {

enum class Verdict {
  refused,  // we chose not to; nothing is wrong with the machine
  failed,   // the environment said no (I/O, permission, a process that went away)
  corrupt,  // the input lies (bad signature, malformed file)
  usage,    // the command line makes no sense
};

enum class TargetState {
  untouched,  // nothing was written to the target
  restored,   // something was written and taken back
  damaged,    // must never be seen
};

class Error {
 public:
  static Error refused(std::string what) { return Error(Verdict::refused, std::move(what)); }
  static Error failed(std::string what) { return Error(Verdict::failed, std::move(what)); }
  static Error corrupt(std::string what) { return Error(Verdict::corrupt, std::move(what)); }
  static Error usage(std::string what) { return Error(Verdict::usage, std::move(what)); }
  // `what` followed by the text of `errno_value`.
  static Error from_errno(int errno_value, std::string_view what);

  Verdict verdict() const { return verdict_; }
  TargetState state() const { return state_; }
  const std::string &what() const { return what_; }
  const std::vector<std::string> &steps() const { return steps_; }
  const std::string &next() const { return next_; }

  // Adds an outer step ("while checking ..."); innermost first.
  Error &&during(std::string step) && {
    steps_.push_back(std::move(step));
    return std::move(*this);
  }
  Error &&with_state(TargetState state) && {
    state_ = state;
    return std::move(*this);
  }
  // What the reader should do next, if there is something.
  Error &&with_next(std::string next) && {
    next_ = std::move(next);
    return std::move(*this);
  }

  // The whole chain on several lines: cause, "  while ..." for each step, "  next: ...".
  std::string text() const;
  // The chain on one line, for tables and JSON.
  std::string line() const;

 private:
  Error(Verdict verdict, std::string what) : verdict_(verdict), what_(std::move(what)) {}

  Verdict verdict_;
  TargetState state_ = TargetState::untouched;
  std::string what_;
  std::vector<std::string> steps_;
  std::string next_;
};

// The exit status the command line contract promises for an error: 1 failed, 2 usage, 3 refused or corrupt, 5 damaged.
int exit_status(const Error &error);

std::string_view name_of(Verdict verdict);
std::string_view name_of(TargetState state);

}  // namespace suture
