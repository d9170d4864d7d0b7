#include "base/error.h"

#include <system_error>

#include "base/cat.h"

namespace suture {

Error Error::from_errno(int errno_value, std::string_view what) {
  return failed(cat(what, ": ", std::generic_category().message(errno_value)));
}

std::string Error::text() const {
  std::string out = what_;
  for (const std::string &step : steps_) out += cat("\n  while ", step);
  if (!next_.empty()) out += cat("\n  next: ", next_);
  return out;
}

std::string Error::line() const {
  std::string out = what_;
  for (const std::string &step : steps_) out += cat(" (while ", step, ")");
  return out;
}

int exit_status(const Error &error) {
  if (error.state() == TargetState::damaged) return 5;
  switch (error.verdict()) {
    case Verdict::usage: return 2;
    case Verdict::refused:
    case Verdict::corrupt: return 3;
    case Verdict::failed: return 1;
  }
  return 1;
}

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::refused: return "refused";
    case Verdict::failed: return "failed";
    case Verdict::corrupt: return "corrupt";
    case Verdict::usage: return "usage";
  }
  return "?";
}

std::string_view name_of(TargetState state) {
  switch (state) {
    case TargetState::untouched: return "untouched";
    case TargetState::restored: return "restored";
    case TargetState::damaged: return "damaged";
  }
  return "?";
}

}  // namespace suture
