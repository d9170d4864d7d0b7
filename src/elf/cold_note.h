// The note by which a coldpatched file tells what is in it: ELF note of owner "Suture", type 1 (docs/formats/cold.md).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/hash.h"
#include "model/image.h"
#include "model/lineage.h"

namespace suture {

// A jump that the patch put into the file.
struct ColdRedirect {
  LinkAddr site;
  std::array<uint8_t, 5> old_bytes{};  // what was there before
  LinkRange new_code;                  // where it leads
  auto operator<=>(const ColdRedirect &) const = default;
};

struct ColdPatchRecord {
  Lineage patch;
  Digest base_digest{};  // of the file this patch was added to
  std::vector<ColdRedirect> redirects;
};

Bytes encode_cold_note(const std::vector<ColdPatchRecord> &records);
// In the order in which they were added; empty when there is no such note or it is malformed.
std::vector<ColdPatchRecord> read_cold_note(const Image &image);
// The same from the content of a note segment, which may come from a process's memory.
std::vector<ColdPatchRecord> parse_cold_note(ByteView notes);
// Whether a note segment's content is ours.
bool is_cold_note(ByteView notes);

}  // namespace suture
