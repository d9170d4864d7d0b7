#include "elf/cold_note.h"

#include <algorithm>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "elf/elf64.h"

namespace suture {

namespace {

constexpr std::string_view kOwner{"Suture\0", 7};
constexpr uint32_t kType = 1;
constexpr uint8_t kVersion = 1;
constexpr size_t kMaxRecords = 1 << 12;

// The description of our note; empty when it is another one.
ByteView description_of(ByteView notes) {
  ByteReader in(notes);
  const uint32_t name_bytes = in.u32();
  const uint32_t description_bytes = in.u32();
  const uint32_t type = in.u32();
  if (!in.ok() || name_bytes != kOwner.size() || type != kType || as_text(in.take(kOwner.size())) != kOwner) return {};
  in.skip(1);  // the name is padded to 4 bytes
  return in.take(description_bytes);
}

}  // namespace

Bytes encode_cold_note(const std::vector<ColdPatchRecord> &records) {
  ByteWriter description;
  description.u8(kVersion);
  description.uleb(records.size());
  for (const ColdPatchRecord &record : records) {
    description.append(record.base_digest);
    description.uleb(record.patch_id.size());
    description.append(as_bytes(record.patch_id));
  }
  ByteWriter note;
  note.u32(static_cast<uint32_t>(kOwner.size()));
  note.u32(static_cast<uint32_t>(description.size()));
  note.u32(kType);
  note.append(as_bytes(kOwner));
  note.pad_to(4);
  note.append(description.bytes());
  note.pad_to(4);
  return std::move(note).take();
}

bool is_cold_note(ByteView notes) {
  return !description_of(notes).empty();
}

std::vector<ColdPatchRecord> parse_cold_note(ByteView notes) {
  ByteReader in(description_of(notes));
  if (in.u8() != kVersion) return {};
  std::vector<ColdPatchRecord> records;
  const uint64_t count = in.uleb();
  for (uint64_t i = 0; i < std::min<uint64_t>(count, kMaxRecords) && in.ok(); ++i) {
    ColdPatchRecord record;
    const ByteView digest = in.take(record.base_digest.size());
    std::copy(digest.begin(), digest.end(), record.base_digest.begin());
    const uint64_t id_bytes = in.uleb();
    record.patch_id = as_text(in.take(id_bytes));
    records.push_back(std::move(record));
  }
  if (!in.ok() || records.size() != count) return {};
  return records;
}

std::vector<ColdPatchRecord> read_cold_note(const Image &image) {
  const auto file = Elf64File::open(image.bytes);
  if (!file) return {};
  for (const Elf64_Phdr &program : file->programs()) {
    if (program.p_type != PT_NOTE) continue;
    std::vector<ColdPatchRecord> records = parse_cold_note(image.at(LinkAddr(program.p_vaddr), program.p_filesz));
    if (!records.empty()) return records;
  }
  return {};
}

}  // namespace suture
