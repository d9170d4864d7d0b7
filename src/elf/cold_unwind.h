// The unwind index (.eh_frame_hdr) of a coldpatched file: one sorted table for the base's entries and the patch's, so
// that unwinders, which accept a single PT_GNU_EH_FRAME, find both.
#pragma once

#include "base/result.h"
#include "model/image.h"

namespace suture {

// A loaded .eh_frame section with its final content.
struct EhFrameAt {
  LinkAddr address;
  ByteView content;
};

// The index placed at `at`; its size does not depend on `at`. Empty when neither side has unwind information.
Result<Bytes> merge_unwind_index(const Image &base, const EhFrameAt &patch, LinkAddr at);

}  // namespace suture
