#include "base/refusals.h"

#include <algorithm>

#include "base/cat.h"

namespace suture {

namespace {

constexpr size_t kMostListed = 40;

}  // namespace

Status Refusals::keep(Status status) {
  if (status || status.error().verdict() != Verdict::refused) return status;
  // One cause met on several ways (a variable that many functions use) is told once.
  const bool known = std::any_of(kept_.begin(), kept_.end(),
                                 [&](const Error &error) { return error.line() == status.error().line(); });
  if (!known) kept_.push_back(std::move(status).error());
  return {};
}

Status Refusals::all() const {
  if (kept_.empty()) return {};
  if (kept_.size() == 1) return kept_.front();
  std::string text = cat(kept_.size(), " things cannot be done:");
  for (size_t i = 0; i < std::min(kept_.size(), kMostListed); ++i) text += cat("\n  ", kept_[i].line());
  if (kept_.size() > kMostListed) text += cat("\n  and ", kept_.size() - kMostListed, " more");
  return Error::refused(std::move(text)).with_next(kept_.front().next());
}

}  // namespace suture
