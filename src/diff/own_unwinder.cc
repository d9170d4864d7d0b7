#include "diff/own_unwinder.h"

#include <string>

#include "base/cat.h"

namespace suture {
namespace {

// Names of the Itanium C++ ABI (exception handling, level I) and of libgcc's unwind-dw2-fde.h.
constexpr const char *kRaise = "_Unwind_RaiseException";
constexpr const char *kAdd = "__register_frame_info";
constexpr const char *kRemove = "__deregister_frame_info";

std::optional<LinkAddr> address_of(const DiffInput &input, const std::string &name) {
  const auto defined = input.pre->program().defined_at(name);
  if (!defined) return std::nullopt;
  const LocatedCode *code = input.solution->code(defined->section);
  return code == nullptr ? std::nullopt : std::optional(code->at + defined->offset);
}

}  // namespace

Result<std::optional<OwnUnwinder>> find_own_unwinder(const DiffInput &input) {
  if (!input.pre->program().defined_at(kRaise)) return std::optional<OwnUnwinder>();
  const auto add = address_of(input, kAdd), remove = address_of(input, kRemove);
  if (add && remove) return std::optional(OwnUnwinder{*add, *remove});
  return Error::refused(cat("the image has an unwinder of its own (it is linked with -static or -static-libgcc), and ", add ? kRemove : kAdd,
                            ", by which exceptions find their way through new code, is not found in it"));
}

}  // namespace suture
