// The laws a HotImage keeps whatever it came from, checked in one place for the writer and the reader: afterwards the
// code that links, maps or appends it may index its segments without looking again. Judges shape only, never a target.
#pragma once

#include "base/result.h"
#include "model/hot_image.h"

namespace suture {

inline constexpr size_t kMaxHotSegments = 4;
inline constexpr uint64_t kMaxHotSpanBytes = uint64_t{1} << 30;
inline constexpr size_t kMaxHotSections = 256;
inline constexpr size_t kMaxHotFixups = 1 << 22;
inline constexpr size_t kMaxHotImports = 1 << 16;
inline constexpr size_t kMaxHotValidations = 1 << 16;
inline constexpr size_t kMaxHotRedirects = 1 << 16;
inline constexpr size_t kMaxHotParts = 64;
inline constexpr size_t kMaxHotHooks = 64;
inline constexpr size_t kMaxHotSymbols = 1 << 20;
inline constexpr size_t kMaxHotNameBytes = 1 << 16;
inline constexpr uint64_t kMaxValidationBytes = uint64_t{64} << 20;

// Width in bytes of the field a fixup changes.
constexpr uint64_t fixup_bytes(Fixup::Kind kind) {
  return kind == Fixup::Kind::base_rel32 || kind == Fixup::Kind::self_abs32 ? 4 : 8;
}

// The segment that holds all of [at, at + size_bytes) in its file bytes; null when none does.
const HotSegment *segment_with_bytes(const HotImage &image, PatchOffset at, uint64_t size_bytes);

Status check_hot_image(const HotImage &image);

}  // namespace suture
