#include "apply/record.h"

#include <algorithm>
#include <cstring>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/cat.h"

namespace suture {
namespace {

constexpr size_t kMaxText = 4096;
constexpr size_t kMaxRecords = 4096;
constexpr size_t kMaxIdBytes = 64;

void put_range(ByteWriter &out, const RunRange &range) {
  out.u64(range.begin.value);
  out.u64(range.size_bytes);
}
RunRange take_range(ByteReader &in) {
  const uint64_t begin = in.u64();
  return {RunAddr(begin), in.u64()};
}

void put_text(ByteWriter &out, std::string_view text) {
  out.c_string(text.substr(0, kMaxText));
}

void put_function(ByteWriter &out, const RecordFunction &function) {
  put_text(out, function.name);
  out.u64(function.old_entry.value);
  out.u64(function.site.value);
  out.append(function.old_bytes);
  out.append(function.direct_bytes);
  out.append(function.gate_bytes);
  out.u8(function.loops_to_entry ? 1 : 0);
  for (const RunRange &range : {function.new_code, function.gate, function.displaced}) put_range(out, range);
  out.u64(function.hold_flag.value);
  out.u32(static_cast<uint32_t>(function.old_parts.size()));
  for (const RunRange &part : function.old_parts) put_range(out, part);
}

std::optional<RecordFunction> take_function(ByteReader &in) {
  RecordFunction out;
  out.name = std::string(in.c_string());
  out.old_entry = RunAddr(in.u64());
  out.site = RunAddr(in.u64());
  in.take_into(out.old_bytes);
  in.take_into(out.direct_bytes);
  in.take_into(out.gate_bytes);
  out.loops_to_entry = in.u8() != 0;
  out.new_code = take_range(in);
  out.gate = take_range(in);
  out.displaced = take_range(in);
  out.hold_flag = RunAddr(in.u64());
  const uint32_t parts = in.u32();
  if (!in.ok() || parts > kMaxRecordParts || out.name.size() > kMaxText) return std::nullopt;
  for (uint32_t i = 0; i < parts; ++i) out.old_parts.push_back(take_range(in));
  return in.ok() ? std::optional<RecordFunction>(std::move(out)) : std::nullopt;
}

// Fields that only some records have follow behind, each with a tag.
enum RecordTag : uint8_t { kTagAuthorCode = 1, kTagOwnUnwind = 2 };

void put_author_code(ByteWriter &out, const Record &record) {
  if (record.hooks.empty() && record.shadow.size_bytes == 0) return;
  out.u8(kTagAuthorCode);
  out.u64(record.hook_runner.value);
  out.u64(record.hook_counts.value);
  put_range(out, record.shadow);
  out.u32(static_cast<uint32_t>(record.hooks.size()));
  for (const RecordHook &hook : record.hooks) {
    out.u8(static_cast<uint8_t>(hook.kind));
    out.u64(hook.function.value);
    put_text(out, hook.name);
  }
}

bool take_author_code(ByteReader &in, Record &record) {
  record.hook_runner = RunAddr(in.u64());
  record.hook_counts = RunAddr(in.u64());
  record.shadow = take_range(in);
  const uint32_t hooks = in.u32();
  if (!in.ok() || hooks > kMaxRecordHooks) return false;
  for (uint32_t i = 0; i < hooks; ++i) {
    const uint8_t kind = in.u8();
    RecordHook hook{static_cast<Hook::Kind>(kind), RunAddr(in.u64()), std::string(in.c_string())};
    if (!in.ok() || kind >= kHookKinds || hook.name.size() > kMaxText) return false;
    record.hooks.push_back(std::move(hook));
  }
  return true;
}

// What not every record has; each part at most once, ascending by tag.
bool take_part(uint8_t tag, ByteReader &in, Record &record) {
  if (tag == kTagAuthorCode) return take_author_code(in, record);
  if (tag != kTagOwnUnwind) return false;
  record.own_unwind.object = RunAddr(in.u64());
  record.own_unwind.remove = RunAddr(in.u64());
  return in.ok();
}

bool could_be_ours(const Mapping &mapping) {
  if (!mapping.readable || !mapping.executable || mapping.writable || mapping.shared) return false;
  return mapping.name.empty() || mapping.name.find(kNamePrefix) != std::string::npos;
}

bool named_ours(const Mapping &mapping) {
  const std::string_view name = mapping.name;
  for (const std::string_view start : {"/memfd:suture:", "[anon:suture:"})
    if (name.substr(0, start.size()) == start) return true;
  return false;
}

std::optional<FoundRecord> read_record(const Process &process, RunAddr at, const RecordHead &head) {
  if (head.magic != kRecordMagic || head.version != 1 || head.body_bytes > kMaxRecordBytes) return std::nullopt;
  const Result<Bytes> body = process.read_bytes(at + sizeof(RecordHead), head.body_bytes);
  if (!body || record_checksum(*body) != head.checksum) return std::nullopt;
  std::optional<Record> record = decode_record_body(*body);
  if (!record || record->code.begin != at) return std::nullopt;
  return FoundRecord{std::move(*record), head};
}

}  // namespace

uint64_t record_checksum(ByteView body) {
  return load<uint64_t>(sha256(body), 0);
}

Bytes encode_record_body(const Record &record) {
  ByteWriter out;
  put_text(out, record.patch_id);
  out.u64(record.sequence);
  out.u32(static_cast<uint32_t>(record.supersedes.size()));
  for (const std::string &id : record.supersedes) put_text(out, id);
  out.append(record.transaction);
  out.u32(record.unit);
  out.u32(record.unit_count);
  out.u64(record.order);
  out.u64(record.applied_at);
  for (const RunRange &range : {record.code, record.data, record.eh_frame, record.hold_code}) put_range(out, range);
  out.u64(record.image.value);
  out.u64(record.unwind_object.value);
  put_text(out, record.base_path);
  out.u8(static_cast<uint8_t>(record.base_id.kind));
  out.u32(static_cast<uint32_t>(record.base_id.bytes.size()));
  out.append(record.base_id.bytes);
  out.u64(record.base.value);
  out.u64(record.base_bias.value);
  out.u32(static_cast<uint32_t>(record.functions.size()));
  for (const RecordFunction &function : record.functions) put_function(out, function);
  put_author_code(out, record);
  if (record.own_unwind.object.value != 0) {
    out.u8(kTagOwnUnwind);
    out.u64(record.own_unwind.object.value);
    out.u64(record.own_unwind.remove.value);
  }
  return std::move(out).take();
}

std::optional<Record> decode_record_body(ByteView bytes) {
  ByteReader in(bytes);
  Record out;
  out.patch_id = std::string(in.c_string());
  out.sequence = in.u64();
  const uint32_t superseded = in.u32();
  if (!in.ok() || superseded > kMaxSuperseded) return std::nullopt;
  for (uint32_t i = 0; i < superseded; ++i) out.supersedes.push_back(std::string(in.c_string()));
  in.take_into(out.transaction);
  out.unit = in.u32();
  out.unit_count = in.u32();
  out.order = in.u64();
  out.applied_at = in.u64();
  for (RunRange *range : {&out.code, &out.data, &out.eh_frame, &out.hold_code}) *range = take_range(in);
  out.image = RunAddr(in.u64());
  out.unwind_object = RunAddr(in.u64());
  out.base_path = std::string(in.c_string());
  const uint8_t kind = in.u8();
  const uint32_t id_bytes = in.u32();
  if (!in.ok() || kind > 1 || id_bytes > kMaxIdBytes || out.patch_id.size() > kMaxText) return std::nullopt;
  const ByteView id = in.take(id_bytes);
  out.base_id = {static_cast<ImageId::Kind>(kind), Bytes(id.begin(), id.end())};
  out.base = RunAddr(in.u64());
  out.base_bias = LoadBias{in.u64()};
  const uint32_t functions = in.u32();
  if (!in.ok() || functions > kMaxRecordFunctions) return std::nullopt;
  for (uint32_t i = 0; i < functions; ++i) {
    std::optional<RecordFunction> function = take_function(in);
    if (!function) return std::nullopt;
    out.functions.push_back(std::move(*function));
  }
  uint8_t previous = 0;
  while (!in.at_end()) {
    const uint8_t tag = in.u8();
    if (tag <= previous || !take_part(tag, in, out)) return std::nullopt;
    previous = tag;
  }
  return in.ok() ? std::optional<Record>(std::move(out)) : std::nullopt;
}

Result<std::vector<FoundRecord>> find_records(const Process &process, const Maps &maps) {
  std::vector<const Mapping *> candidates;
  for (const Mapping &mapping : maps.all())
    if (could_be_ours(mapping)) candidates.push_back(&mapping);
  std::vector<RecordHead> heads(candidates.size());
  std::vector<ReadPiece> pieces;
  for (size_t i = 0; i < candidates.size(); ++i)
    pieces.push_back({candidates[i]->range.begin, {reinterpret_cast<uint8_t *>(&heads[i]), sizeof(RecordHead)}});
  process.read_many(pieces);
  std::vector<FoundRecord> out;
  for (size_t i = 0; i < candidates.size() && out.size() < kMaxRecords; ++i) {
    if (pieces[i].read_bytes != sizeof(RecordHead)) continue;
    if (std::optional<FoundRecord> found = read_record(process, candidates[i]->range.begin, heads[i]))
      out.push_back(std::move(*found));
  }
  std::sort(out.begin(), out.end(), [](const FoundRecord &a, const FoundRecord &b) {
    return std::pair(a.record.order, a.record.unit) < std::pair(b.record.order, b.record.unit);
  });
  return out;
}

std::vector<RunRange> find_orphans(const Maps &maps, const std::vector<FoundRecord> &records) {
  std::vector<RunRange> out;
  for (const Mapping &mapping : maps.all()) {
    if (!named_ours(mapping)) continue;
    const bool known = std::any_of(records.begin(), records.end(), [&](const FoundRecord &found) {
      return found.record.code.contains(mapping.range.begin) || found.record.data.contains(mapping.range.begin);
    });
    if (!known) out.push_back(mapping.range);
  }
  return out;
}

}  // namespace suture
