// The note by which a coldpatched file tells what is in it: ELF note of owner "Suture", type 1 (docs/formats/cold.md).
#pragma once

#include <string>
#include <vector>

#include "base/hash.h"
#include "model/image.h"

namespace suture {

struct ColdPatchRecord {
  std::string patch_id;
  Digest base_digest{};  // of the file this patch was added to
};

Bytes encode_cold_note(const std::vector<ColdPatchRecord> &records);
// In the order in which they were added; empty when there is no such note or it is malformed.
std::vector<ColdPatchRecord> read_cold_note(const Image &image);
// The same from the content of a note segment, which may come from a process's memory.
std::vector<ColdPatchRecord> parse_cold_note(ByteView notes);
// Whether a note segment's content is ours.
bool is_cold_note(ByteView notes);

}  // namespace suture
