// How much room there is for a redirect at the entry of a function in the image.
#pragma once

#include "base/result.h"
#include "diff/code_cache.h"
#include "diff/run_pre.h"
#include "model/image.h"

namespace suture {

struct EntryRoom {
  LinkAddr site;            // where the jump may be written: the entry, or behind its landing pad instruction
  uint32_t room_bytes = 0;  // bytes from `site` that nothing else enters
};

// `entry_offset`: the function's offset in its pre section (0 but for hand-written sections with several functions).
EntryRoom entry_room(CodeCache &pre, const Place &place, const LocatedCode &located, const Image &image, uint64_t entry_offset);

}  // namespace suture
