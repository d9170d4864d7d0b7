#include "elf/hot_check.h"

#include <algorithm>

#include "base/cat.h"

namespace suture {

namespace {

bool fits(uint64_t begin, uint64_t size_bytes, uint64_t room_bytes) {
  return begin <= room_bytes && size_bytes <= room_bytes - begin;
}

bool inside(const LinkRange &outer, const LinkRange &inner) {
  return inner.begin >= outer.begin && fits(inner.begin - outer.begin, inner.size_bytes, outer.size_bytes);
}

Status check_segments(const HotImage &image) {
  if (image.segments.empty() || image.segments.size() > kMaxHotSegments)
    return Error::corrupt(cat("hot image has ", image.segments.size(), " segments"));
  uint64_t next_page = 0;
  for (const HotSegment &segment : image.segments) {
    if (segment.memory_bytes == 0 || !fits(segment.address.value, segment.memory_bytes, kMaxHotSpanBytes) ||
        segment.bytes.size() > segment.memory_bytes)
      return Error::corrupt("hot image has a segment of impossible size");
    if (segment.address.value < next_page) return Error::corrupt("hot image has segments that share a page");
    if (segment.writable && segment.executable) return Error::corrupt("hot image has writable code");
    next_page = (segment.address.value + segment.memory_bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  }
  if (image.segments[0].address.value != 0) return Error::corrupt("hot image's first segment is not at 0");
  const Bytes &first = image.segments[0].bytes;
  if (first.size() < kHotHeaderBytes) return Error::corrupt("hot image has no room for the file header");
  if (std::any_of(first.begin(), first.begin() + kHotHeaderBytes, [](uint8_t byte) { return byte != 0; }))
    return Error::corrupt("hot image has content where the file header goes");
  return {};
}

Status check_sections(const HotImage &image) {
  if (image.sections.size() > kMaxHotSections) return Error::corrupt("hot image has too many sections");
  for (const HotSection &section : image.sections) {
    const auto holds = [&](const HotSegment &segment) {
      const uint64_t room = section.no_bits ? segment.memory_bytes : segment.bytes.size();
      return section.address >= segment.address && fits(section.address - segment.address, section.size_bytes, room);
    };
    if (std::none_of(image.segments.begin(), image.segments.end(), holds))
      return Error::corrupt(cat("section ", section.name, " of the hot image lies outside its segments"));
  }
  return {};
}

Status check_fixups(const HotImage &image) {
  if (image.fixups.size() > kMaxHotFixups || image.imports.size() > kMaxHotImports)
    return Error::corrupt("hot image has too many fixups or imports");
  if (!std::is_sorted(image.fixups.begin(), image.fixups.end(),
                      [](const Fixup &a, const Fixup &b) { return std::pair(a.kind, a.at) < std::pair(b.kind, b.at); }))
    return Error::corrupt("hot image has fixups out of order");
  std::vector<std::pair<uint64_t, uint64_t>> fields;  // begin, end
  fields.reserve(image.fixups.size());
  for (const Fixup &fixup : image.fixups) {
    const uint64_t size_bytes = fixup_bytes(fixup.kind);
    if (fixup.at.value < kHotHeaderBytes || segment_with_bytes(image, fixup.at, size_bytes) == nullptr)
      return Error::corrupt(cat("hot image has a fixup outside its content, at ", hex(fixup.at.value)));
    if (fixup.kind == Fixup::Kind::import_abs64 ? fixup.import >= image.imports.size() : fixup.import != 0)
      return Error::corrupt("hot image has a fixup with an impossible import");
    fields.emplace_back(fixup.at.value, fixup.at.value + size_bytes);
  }
  std::sort(fields.begin(), fields.end());
  for (size_t i = 1; i < fields.size(); ++i)
    if (fields[i].first < fields[i - 1].second)
      return Error::corrupt(cat("hot image has two fixups on one field, at ", hex(fields[i].first)));
  return {};
}

Status check_validations(const HotImage &image) {
  if (image.validations.size() > kMaxHotValidations) return Error::corrupt("hot image has too many validations");
  for (const Validation &validation : image.validations) {
    const uint64_t size_bytes = validation.range.size_bytes;
    if (size_bytes == 0 || size_bytes > kMaxValidationBytes || !inside(image.base_span, validation.range))
      return Error::corrupt(cat("hot image has a validation outside the base, at ", hex(validation.range.begin.value)));
    if (!validation.expected.empty() && validation.expected.size() != size_bytes)
      return Error::corrupt("hot image has a validation whose bytes do not fill its range");
    if (!validation.mask.empty() && validation.mask.size() != validation.expected.size())
      return Error::corrupt("hot image has a validation whose mask does not fit its bytes");
  }
  return {};
}

Status check_redirect(const HotImage &image, const Redirect &redirect) {
  const auto bad = [&](std::string_view why) {
    return Error::corrupt(cat("redirect of ", redirect.name, " in the hot image ", why));
  };
  if (redirect.site < redirect.old_entry || !inside(image.base_span, {redirect.old_entry, 1}) ||
      !inside(image.base_span, {redirect.site, redirect.room_bytes}))
    return bad("lies outside the base");
  if (redirect.old_parts.size() > kMaxHotParts) return bad("has too many parts");
  for (const LinkRange &part : redirect.old_parts)
    if (part.size_bytes == 0 || !inside(image.base_span, part)) return bad("has a part outside the base");
  const auto has_entry = [&](const LinkRange &part) { return part.contains(redirect.old_entry); };
  if (std::none_of(redirect.old_parts.begin(), redirect.old_parts.end(), has_entry))
    return bad("has no part that holds the old entry");
  const HotSegment *code = segment_with_bytes(image, redirect.target, std::max<uint64_t>(redirect.new_size_bytes, 1));
  if (code == nullptr || !code->executable || redirect.target.value < kHotHeaderBytes)
    return bad("does not lead to code of the patch");
  return {};
}

// Author code lies in code, what it shares with the applier in writable memory.
Status check_author(const HotImage &image) {
  const AuthorCode &author = image.author;
  const auto is_code = [&](PatchOffset at) {
    const HotSegment *segment = segment_with_bytes(image, at, 1);
    return segment != nullptr && segment->executable && at.value >= kHotHeaderBytes;
  };
  const auto is_data = [&](PatchOffset at, uint64_t size_bytes) {
    return std::any_of(image.segments.begin(), image.segments.end(), [&](const HotSegment &segment) {
      return segment.writable && at >= segment.address && fits(at - segment.address, size_bytes, segment.memory_bytes);
    });
  };
  if (author.hooks.size() > kMaxHotHooks) return Error::corrupt("hot image has too many hooks");
  for (const Hook &hook : author.hooks)
    if (!is_code(hook.function)) return Error::corrupt(cat("hook ", hook.name, " of the hot image is not code of it"));
  if (!author.hooks.empty() &&
      (!is_code(author.hook_runner) || !is_data(author.hook_counts, kHookKinds * kHookCountBytes)))
    return Error::corrupt("hot image has hooks and nothing that can run them");
  if (author.shadow_root.value != 0 && !is_data(author.shadow_root, sizeof(uint64_t)))
    return Error::corrupt("hot image's shadow data has no root in its data");
  return {};
}

Status check_names(const HotImage &image) {
  if (image.symbols.size() > kMaxHotSymbols) return Error::corrupt("hot image has too many symbols");
  const auto good = [](std::string_view name) {
    return name.size() <= kMaxHotNameBytes && name.find('\0') == std::string_view::npos;
  };
  bool all = good(image.patch_id) && good(image.base_path) && image.base_id.bytes.size() <= 64;
  for (const HotSection &section : image.sections) all = all && good(section.name);
  for (const HotSymbol &symbol : image.symbols) all = all && good(symbol.name);
  for (const Redirect &redirect : image.redirects) all = all && good(redirect.name);
  for (const Hook &hook : image.author.hooks) all = all && good(hook.name);
  for (const Import &import : image.imports)
    all = all && good(import.name) && good(import.version) && !import.name.empty();
  if (!all) return Error::corrupt("hot image has a name that is too long or not text");
  return {};
}

}  // namespace

const HotSegment *segment_with_bytes(const HotImage &image, PatchOffset at, uint64_t size_bytes) {
  for (const HotSegment &segment : image.segments)
    if (at >= segment.address && fits(at - segment.address, size_bytes, segment.bytes.size())) return &segment;
  return nullptr;
}

Status check_hot_image(const HotImage &image) {
  TRY(check_segments(image));
  TRY(check_names(image));
  TRY(check_sections(image));
  TRY(check_fixups(image));
  TRY(check_validations(image));
  if (image.redirects.size() > kMaxHotRedirects) return Error::corrupt("hot image has too many redirects");
  for (const Redirect &redirect : image.redirects) TRY(check_redirect(image, redirect));
  TRY(check_author(image));
  if (image.eh_frame_bytes != 0 && segment_with_bytes(image, image.eh_frame, image.eh_frame_bytes) == nullptr)
    return Error::corrupt("hot image's unwind information lies outside its content");
  if (image.unwinder && !(image.base_span.contains(image.unwinder->add) && image.base_span.contains(image.unwinder->remove)))
    return Error::corrupt("hot image's base has an unwinder outside of it");
  return {};
}

}  // namespace suture
