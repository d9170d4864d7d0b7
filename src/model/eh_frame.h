// Walking .eh_frame (LSB Core, "Exception Frames"): where the entries are and how the pointers in them are encoded.
// Shared by everything that lists, copies or extends unwind entries; it does not interpret their instructions.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"

namespace suture {

// DW_EH_PE_*: low four bits give the format, the next three what the value is relative to, 0x80 means indirect.
namespace eh {
inline constexpr uint8_t kAbsolute = 0x00, kUleb = 0x01, kData2 = 0x02, kData4 = 0x03, kData8 = 0x04, kSleb = 0x09,
                         kSdata2 = 0x0a, kSdata4 = 0x0b, kSdata8 = 0x0c, kFormatMask = 0x0f, kPcRelative = 0x10,
                         kDataRelative = 0x30, kIndirect = 0x80, kOmit = 0xff;
}

struct EhCie {
  uint64_t offset = 0;             // of the entry's length word in the section
  uint64_t end = 0;                // just behind the entry
  uint8_t pointer_encoding = eh::kAbsolute;
  uint8_t lsda_encoding = eh::kOmit;
  uint8_t personality_encoding = eh::kOmit;
  uint64_t personality_offset = 0;  // of the personality field, when there is one
  bool has_augmentation_data = false;
  bool signal_frame = false;
};

struct EhFde {
  uint64_t offset = 0;
  uint64_t end = 0;
  uint64_t cie_offset = 0;
  uint64_t begin_field = 0;        // offset of pc_begin
  uint64_t begin_raw = 0;          // its stored value, sign-extended, before adding what it is relative to
  uint64_t range_bytes = 0;        // pc_range
  uint64_t lsda_field = 0;         // offset of the LSDA pointer; 0 when there is none
  uint8_t pointer_encoding = eh::kAbsolute;
  uint8_t lsda_encoding = eh::kOmit;
};

struct EhFrame {
  std::vector<EhCie> cies;
  std::vector<EhFde> fdes;
};

// Bytes that a pointer of this encoding takes; nullopt for LEB forms and unknown ones.
std::optional<unsigned> eh_pointer_bytes(uint8_t encoding);

// Reads until the terminator, the end, or the first entry that makes no sense.
EhFrame parse_eh_frame(ByteView section);

}  // namespace suture
