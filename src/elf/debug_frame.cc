#include "elf/debug_frame.h"

#include <map>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "model/eh_frame.h"

namespace suture {

namespace {

// An entry: its length word, then `content` padded with DW_CFA_nop (0).
uint64_t add_entry(ByteWriter &out, ByteWriter content) {
  const uint64_t at = out.size();
  while ((content.size() + 4) % 8 != 0) content.u8(0);
  out.u32(static_cast<uint32_t>(content.size()));
  out.append(content.bytes());
  return at;
}

// The same CIE without augmentation: addresses become plain 8-byte ones, and unwinding for display needs neither
// personality nor language data.
ByteWriter plain_cie(ByteView section, const EhCie &cie) {
  ByteReader in(section.first(cie.end));
  in.seek(cie.offset + 8);
  ByteWriter out;
  out.u32(UINT32_MAX);
  const uint8_t version = in.u8();
  out.u8(version);
  (void)in.c_string();
  out.u8(0);
  out.uleb(in.uleb());  // code alignment
  out.sleb(in.sleb());  // data alignment
  if (version == 1) {
    out.u8(in.u8());  // return address register
  } else {
    out.uleb(in.uleb());
  }
  if (cie.has_augmentation_data) in.skip(in.uleb());
  out.append(in.take(in.remaining()));
  return out;
}

ByteWriter plain_fde(ByteView section, LinkAddr at, const EhFde &fde, bool has_augmentation, uint64_t cie_at) {
  const unsigned pointer_bytes = eh_pointer_bytes(fde.pointer_encoding).value_or(0);
  ByteReader in(section.first(fde.end));
  in.seek(fde.begin_field + 2 * uint64_t{pointer_bytes});
  if (has_augmentation) in.skip(in.uleb());
  const bool relative = (fde.pointer_encoding & 0x70) == eh::kPcRelative;
  ByteWriter out;
  out.u32(static_cast<uint32_t>(cie_at));
  out.u64(fde.begin_raw + (relative ? at.value + fde.begin_field : 0));
  out.u64(fde.range_bytes);
  out.append(in.take(in.remaining()));
  return out;
}

}  // namespace

Bytes to_debug_frame(ByteView eh_frame, LinkAddr at) {
  const EhFrame frame = parse_eh_frame(eh_frame);
  ByteWriter out;
  struct Written {
    uint64_t at = 0;
    bool has_augmentation = false;
  };
  std::map<uint64_t, Written> cie_at;
  for (const EhCie &cie : frame.cies)
    cie_at[cie.offset] = {add_entry(out, plain_cie(eh_frame, cie)), cie.has_augmentation_data};
  for (const EhFde &fde : frame.fdes) {
    const Written &cie = cie_at.at(fde.cie_offset);  // parse_eh_frame lists no entry without its CIE
    const uint8_t base = fde.pointer_encoding & 0xf0;
    if (!eh_pointer_bytes(fde.pointer_encoding) || (base != eh::kAbsolute && base != eh::kPcRelative)) continue;
    add_entry(out, plain_fde(eh_frame, at, fde, cie.has_augmentation, cie.at));
  }
  return std::move(out).take();
}

}  // namespace suture
