// Run-pre matching of one function: does the image, at one address, hold the code of a pre object's section?
// Instructions are compared, not bytes: the shipped build had no -ffunction-sections, so jumps between functions of one
// file may be short there and long here, alignment padding differs, and the linker may have relaxed loads through the GOT.
// Every field that an edge covers is solved: the value that its reference must have had.
#pragma once

#include <string>
#include <vector>

#include "diff/code.h"
#include "model/address.h"
#include "model/object_graph.h"

namespace suture {

// What the image's bytes say of one edge.
struct SolvedEdge {
  uint32_t edge = 0;     // index in the section's edges
  uint64_t value = 0;    // S such that the field is S + A, less P where it is relative
  // What the field stands for: the linker may have made another reference of the one that the compiler wrote.
  enum class As : uint8_t {
    written,
    direct,      // the address itself instead of a GOT slot
    absolute,    // as direct, but in an immediate: not relative to where the image is loaded
    tls_offset,  // the offset from the thread pointer instead of a slot
    tls_slot,    // a slot that holds that offset instead of a descriptor or pair
  };
  As as = As::written;
};

struct CodeMatch {
  bool matches = false;
  uint64_t mismatch_at = 0;       // offset in the pre section of the first instruction that does not agree
  uint64_t image_mismatch_at = 0; // its place in the image
  uint64_t image_bytes = 0;       // size of the matched code in the image
  uint32_t compared_bytes = 0;    // bytes compared that no edge covers: how much evidence the match is
  bool exact = true;              // no short/long or padding differences
  std::vector<SolvedEdge> edges;
  // (offset in the pre section, address in the image) of each instruction from which on the distance between the two is another;
  // when !exact.
  std::vector<std::pair<uint64_t, uint64_t>> offsets;
};

// `image_code`: the image's bytes from `at` on (as many as may be needed, at least the section's size where there are).
CodeMatch match_code(const Arch &arch, const ObjectSection &pre, const Code &code, ByteView image_code, LinkAddr at);

// Cheap test that rejects nearly every wrong address: the leading bytes that no edge covers.
bool may_match(const Arch &arch, const ObjectSection &pre, ByteView image_code);

// The image address of an offset in the pre section, given a match at `at`.
LinkAddr image_address(const CodeMatch &match, LinkAddr at, uint64_t pre_offset);

}  // namespace suture
