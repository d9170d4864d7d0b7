#include "apply/validate.h"

#include <algorithm>

#include "apply/layers.h"
#include "arch/arch.h"
#include "base/cat.h"

namespace suture {
namespace {

constexpr uint64_t kMaxValidationBytes = uint64_t{256} << 20;
constexpr size_t kShownBytes = 8;

std::string function_at(const HotImage &hot, LinkAddr at) {
  for (const Redirect &redirect : hot.redirects)
    for (const LinkRange &part : redirect.old_parts)
      if (part.contains(at)) return redirect.name;
  return cat("address ", hex(at.value));
}

std::optional<size_t> first_difference(ByteView is, ByteView expected, ByteView mask) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const uint8_t care = mask.empty() ? 0xff : mask[i];
    if ((is[i] ^ expected[i]) & care) return i;
  }
  return std::nullopt;
}

Error differs(const HotImage &hot, LinkAddr at, ByteView is) {
  const std::string bytes = to_hex(is.first(std::min(is.size(), kShownBytes)));
  const Arch *arch = find_arch(hot.arch);
  const bool jump = arch != nullptr && arch->decode_jump(is, 0).has_value();
  return Error::refused(cat(function_at(hot, at), ": bytes at ", hex(at.value),
                            " differ from the build that was patched: ", bytes,
                            jump ? " (a jump put there by another patcher or debugger)" : ""));
}

Status compare(const HotImage &hot, const Validation &validation, ByteView is) {
  if (validation.expected.empty()) {
    if (sha256(is) == validation.digest) return {};
    return Error::refused(cat(function_at(hot, validation.range.begin), ": its ", is.size(),
                              " bytes differ from the build that was patched"));
  }
  if (validation.expected.size() != is.size() || (!validation.mask.empty() && validation.mask.size() != is.size()))
    return Error::corrupt("a validation of the patch has the wrong size");
  const std::optional<size_t> at = first_difference(is, validation.expected, validation.mask);
  if (!at) return {};
  return differs(hot, validation.range.begin + *at, is.subspan(*at));
}

Status check_mappings(const Session &session, const HotImage &hot, const Module &module) {
  if (hot.arch != ArchId::x86_64) return Error::refused(cat("the patch is for ", name_of(hot.arch)));
  if (hot.base_span.size_bytes > module.span.size_bytes)
    return Error::refused("the image has another size than the one patched");
  for (const Redirect &redirect : hot.redirects) {
    const RunAddr at = module.bias.to_run(redirect.site);
    const Mapping *mapping = session.maps.at(at);
    if (mapping == nullptr || !mapping->executable)
      return Error::refused(cat(redirect.name, ": its entry at ", hex(at.value), " is not executable memory"));
    // A write would change every process that maps the file, and the file.
    if (mapping->shared) return Error::refused(cat(redirect.name, ": its code is mapped shared"));
  }
  return {};
}

}  // namespace

Status validate_unit(const Session &session, const HotImage &hot, const Module &module) {
  TRY(check_mappings(session, hot, module));
  uint64_t total = 0;
  for (const Validation &validation : hot.validations) total += validation.range.size_bytes;
  if (total > kMaxValidationBytes) return Error::refused("the patch wants too many bytes compared");
  std::vector<Bytes> contents;
  std::vector<ReadPiece> pieces;
  contents.reserve(hot.validations.size());
  for (const Validation &validation : hot.validations) {
    contents.emplace_back(static_cast<size_t>(validation.range.size_bytes));
    pieces.push_back({module.bias.to_run(validation.range.begin), contents.back()});
  }
  session.process.read_many(pieces);
  const std::vector<Layer> layers = all_layers_of(session, module);
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].read_bytes != contents[i].size())
      return Error::refused(cat("the image is not mapped whole: cannot read ", hex(pieces[i].at.value)));
    undo_layers(layers, {pieces[i].at, contents[i].size()}, contents[i]);
    TRY(compare(hot, hot.validations[i], contents[i]));
  }
  return {};
}

}  // namespace suture
