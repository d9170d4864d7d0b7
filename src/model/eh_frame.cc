#include "model/eh_frame.h"

#include <map>

#include "base/byte_reader.h"

namespace suture {

namespace {

constexpr uint64_t kMaxEntries = 1 << 22;

uint64_t read_encoded(ByteReader &reader, uint8_t encoding) {
  switch (encoding & eh::kFormatMask) {
    case eh::kUleb: return reader.uleb();
    case eh::kSleb: return static_cast<uint64_t>(reader.sleb());
    case eh::kData2: return reader.u16();
    case eh::kSdata2: return static_cast<uint64_t>(int64_t{reader.i16()});
    case eh::kData4: return reader.u32();
    case eh::kSdata4: return static_cast<uint64_t>(int64_t{reader.i32()});
    default: return reader.u64();
  }
}

// The reader stands behind the CIE id; `cie.offset` and `cie.end` are set.
bool read_cie(ByteReader &reader, EhCie &cie) {
  const uint8_t version = reader.u8();
  if (version != 1 && version != 3) return false;
  const std::string_view augmentation = reader.c_string();
  (void)reader.uleb();  // code alignment
  (void)reader.sleb();  // data alignment
  if (version == 1) (void)reader.u8();
  else (void)reader.uleb();  // return address register
  if (augmentation.empty()) return reader.ok();
  if (augmentation[0] != 'z') return false;
  cie.has_augmentation_data = true;
  (void)reader.uleb();
  for (const char letter : augmentation.substr(1)) {
    if (letter == 'R') cie.pointer_encoding = reader.u8();
    else if (letter == 'L') cie.lsda_encoding = reader.u8();
    else if (letter == 'S') cie.signal_frame = true;
    else if (letter == 'P') {
      cie.personality_encoding = reader.u8();
      cie.personality_offset = reader.offset();
      (void)read_encoded(reader, cie.personality_encoding);
    } else if (letter != 'B') {
      return false;
    }
  }
  return reader.ok();
}

bool read_fde(ByteReader &reader, const EhCie &cie, EhFde &fde) {
  fde.pointer_encoding = cie.pointer_encoding;
  fde.lsda_encoding = cie.lsda_encoding;
  fde.begin_field = reader.offset();
  fde.begin_raw = read_encoded(reader, cie.pointer_encoding);
  fde.range_bytes = read_encoded(reader, cie.pointer_encoding & eh::kFormatMask);
  if (cie.has_augmentation_data) {
    const uint64_t augmentation_bytes = reader.uleb();
    if (augmentation_bytes > 0 && cie.lsda_encoding != eh::kOmit) fde.lsda_field = reader.offset();
  }
  return reader.ok();
}

}  // namespace

std::optional<unsigned> eh_pointer_bytes(uint8_t encoding) {
  switch (encoding & eh::kFormatMask) {
    case eh::kAbsolute:
    case eh::kData8:
    case eh::kSdata8: return 8;
    case eh::kData4:
    case eh::kSdata4: return 4;
    case eh::kData2:
    case eh::kSdata2: return 2;
    default: return std::nullopt;
  }
}

EhFrame parse_eh_frame(ByteView section) {
  EhFrame frame;
  std::map<uint64_t, size_t> cie_at;
  ByteReader reader(section);
  while (reader.remaining() >= 4 && frame.cies.size() + frame.fdes.size() < kMaxEntries) {
    const uint64_t offset = reader.offset();
    const uint32_t length = reader.u32();
    if (length == 0) break;
    if (length == 0xffffffff || length < 4 || length > reader.remaining()) break;  // 64-bit DWARF is never emitted here
    const uint64_t id_at = reader.offset();
    const uint64_t end = id_at + length;
    ByteReader entry(section.subspan(0, end));
    entry.seek(id_at);
    const uint32_t id = entry.u32();
    if (id == 0) {
      EhCie cie;
      cie.offset = offset;
      cie.end = end;
      if (!read_cie(entry, cie)) break;
      cie_at[offset] = frame.cies.size();
      frame.cies.push_back(cie);
    } else {
      const auto cie = id <= id_at ? cie_at.find(id_at - id) : cie_at.end();
      if (cie == cie_at.end()) break;
      EhFde fde;
      fde.offset = offset;
      fde.end = end;
      fde.cie_offset = cie->first;
      if (!read_fde(entry, frame.cies[cie->second], fde)) break;
      frame.fdes.push_back(fde);
    }
    reader.seek(end);
  }
  return frame;
}

}  // namespace suture
