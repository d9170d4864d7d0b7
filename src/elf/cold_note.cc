#include "elf/cold_note.h"

#include <algorithm>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "elf/elf64.h"

namespace suture {

namespace {

constexpr std::string_view kOwner{"Suture\0", 7};
constexpr uint32_t kType = 1;
constexpr uint8_t kVersion = 2;
constexpr size_t kMaxRecords = 1 << 12;
constexpr size_t kMaxRedirects = 1 << 16;

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

namespace {

void put_id(ByteWriter &out, const std::string &id) {
  out.uleb(id.size());
  out.append(as_bytes(id));
}

std::string take_id(ByteReader &in) {
  return std::string(as_text(in.take(in.uleb())));
}

void put_record(ByteWriter &out, const ColdPatchRecord &record) {
  out.append(record.base_digest);
  put_id(out, record.patch.id);
  out.uleb(record.patch.sequence);
  out.uleb(record.patch.supersedes.size());
  for (const std::string &id : record.patch.supersedes) put_id(out, id);
  out.uleb(record.redirects.size());
  for (const ColdRedirect &redirect : record.redirects) {
    out.uleb(redirect.site.value);
    out.append(redirect.old_bytes);
    out.uleb(redirect.new_code.begin.value);
    out.uleb(redirect.new_code.size_bytes);
  }
}

ColdPatchRecord take_record(ByteReader &in) {
  ColdPatchRecord record;
  in.take_into(record.base_digest);
  record.patch.id = take_id(in);
  record.patch.sequence = in.uleb();
  const uint64_t superseded = in.uleb();
  for (uint64_t i = 0; i < std::min<uint64_t>(superseded, kMaxSuperseded) && in.ok(); ++i)
    record.patch.supersedes.push_back(take_id(in));
  if (superseded > kMaxSuperseded) in.seek(~uint64_t{0});  // fails the reader
  const uint64_t redirects = in.uleb();
  for (uint64_t i = 0; i < std::min<uint64_t>(redirects, kMaxRedirects) && in.ok(); ++i) {
    ColdRedirect redirect;
    redirect.site = LinkAddr(in.uleb());
    in.take_into(redirect.old_bytes);
    const uint64_t begin = in.uleb();
    redirect.new_code = {LinkAddr(begin), in.uleb()};
    record.redirects.push_back(redirect);
  }
  if (redirects > kMaxRedirects) in.seek(~uint64_t{0});
  return record;
}

}  // namespace

Bytes encode_cold_note(const std::vector<ColdPatchRecord> &records) {
  ByteWriter description;
  description.u8(kVersion);
  description.uleb(records.size());
  for (const ColdPatchRecord &record : records) put_record(description, record);
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
  for (uint64_t i = 0; i < std::min<uint64_t>(count, kMaxRecords) && in.ok(); ++i) records.push_back(take_record(in));
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
