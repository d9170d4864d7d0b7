#include "apply/region.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "apply/gates.h"
#include "apply/shadow.h"
#include "base/byte_writer.h"
#include "base/cat.h"

namespace suture {
namespace {

constexpr uint64_t kReach = (uint64_t{1} << 31) - (uint64_t{1} << 16);  // of a 32-bit displacement, with some slack
constexpr uint64_t kEntryCodeBytes = 32;     // covers any instructions that five bytes can touch, of at most 15 each
// 56 fixed bytes, at most four moved instructions (each may grow) and the jump back, rounded to 16.
constexpr uint64_t kStubBytesAtMost = 112;
constexpr uint64_t kHoldBytesAtMost = 640;  // its instructions, the list of guests, alignment
constexpr uint64_t kLandingBytesAtMost = 64;  // moved instructions and the jump back
constexpr uint64_t kMaxOldCodeBytes = 16 << 20;

struct Extent {
  uint64_t code_bytes = 0;  // of the image: everything before the first writable segment
  uint64_t data_bytes = 0;
};

Result<Extent> measure(const HotImage &hot) {
  Extent out;
  for (const HotSegment &segment : hot.segments) {
    const uint64_t end = segment.address.value + segment.memory_bytes;
    if (segment.bytes.size() > segment.memory_bytes || end > kReach) return Error::corrupt("a segment is malformed");
    if (!segment.writable && out.data_bytes != 0) return Error::corrupt("code behind writable data");
    if (!segment.writable) out.code_bytes = std::max(out.code_bytes, round_to_pages(end));
    if (!segment.writable) continue;
    // Data begins on a page of its own, at the place in it that follows the code in the file.
    if (segment.address.value < out.code_bytes) return Error::corrupt("writable data shares a page with code");
    out.data_bytes = std::max(out.data_bytes, end - out.code_bytes);
  }
  if (out.code_bytes == 0) return Error::corrupt("the hot image has no code");
  return out;
}

RunAddr new_entry(const Unit &unit, const Redirect &redirect) {
  return RunAddr(unit.record.image.value + redirect.target.value);
}

// A generous bound, so that the place can be chosen before the addresses that are part of the content are known.
uint64_t header_bytes_for(const Unit &unit) {
  uint64_t bytes = sizeof(RecordHead) + encode_record_body(unit.record).size();
  // The waiting loop with its list of guests, alignment, and a flag and a stub for each function.
  return bytes + kHoldBytesAtMost + unit.record.functions.size() * (1 + kStubBytesAtMost) +
         unit.restores.size() * kLandingBytesAtMost;
}

Status read_entry_code(const Process &process, RunAddr site, const std::string &name, Bytes &out) {
  out.resize(kEntryCodeBytes);
  ReadPiece piece{site, out};
  process.read_many({&piece, 1});
  out.resize(piece.read_bytes);
  if (out.size() < kRedirectBytes) return Error::refused(cat(name, ": its entry cannot be read"));
  return {};
}

Status check_redirect(const Unit &unit, const Redirect &redirect) {
  const RunAddr site = unit.module.bias.to_run(redirect.site);
  if (redirect.room_bytes < kRedirectBytes)
    return Error::refused(cat(redirect.name, ": shorter (", redirect.room_bytes, " bytes) than the redirect"));
  // One write that crosses a page is two: a tool killed between them would leave half a jump.
  if (site.value / kPageBytes != (site.value + kRedirectBytes - 1) / kPageBytes)
    return Error::refused(cat(redirect.name, ": its entry at ", hex(site.value), " crosses a page boundary"));
  if (!unit.module.span.contains(site)) return Error::corrupt(cat(redirect.name, ": lies outside the image"));
  return {};
}

bool loops_to_entry(const Arch &arch, const LinkContext &context, const Unit &unit, const Redirect &redirect) {
  for (const LinkRange &part : redirect.old_parts) {
    const RunAddr at = unit.module.bias.to_run(part.begin);
    if (part.size_bytes > kMaxOldCodeBytes) return true;
    const Result<Bytes> code = context.process.read_bytes(at, part.size_bytes);
    if (!code || branches_to(arch, *code, at, unit.module.bias.to_run(redirect.old_entry),
                             unit.module.bias.to_run(redirect.site)))
      return true;
  }
  return false;
}

// The 32-bit range of a fixup's field inside the finished bytes.
std::span<uint8_t> field_of(Unit &unit, PatchOffset at, size_t size) {
  const uint64_t code_bytes = unit.record.code.end() - unit.record.image;
  const uint64_t header = unit.record.image - unit.record.code.begin;
  const bool in_code = at.value + size <= code_bytes;
  Bytes &bytes = in_code ? unit.code : unit.data;
  const uint64_t index = in_code ? header + at.value : at.value - code_bytes;
  if (at.value > kReach || index + size > bytes.size()) return {};
  return std::span(bytes).subspan(static_cast<size_t>(index), size);
}

template <typename T>
void add_to(std::span<uint8_t> field, uint64_t value) {
  store<T>(field, 0, static_cast<T>(load<T>(field, 0) + static_cast<T>(value)));
}

Status apply_fixup(Unit &unit, const Fixup &fixup, const std::vector<uint64_t> &imports) {
  const bool narrow = fixup.kind == Fixup::Kind::base_rel32 || fixup.kind == Fixup::Kind::self_abs32;
  const std::span<uint8_t> field = field_of(unit, fixup.at, narrow ? 4 : 8);
  if (field.empty()) return Error::corrupt("a fixup lies outside the hot image");
  const uint64_t base = unit.module.bias.value;
  const uint64_t self = unit.record.image.value;
  switch (fixup.kind) {
    case Fixup::Kind::base_rel32:
      add_to<uint32_t>(field, base - self);
      break;
    case Fixup::Kind::base_abs64:
      add_to<uint64_t>(field, base);
      break;
    case Fixup::Kind::self_abs64:
      add_to<uint64_t>(field, self);
      break;
    case Fixup::Kind::self_abs32:
      add_to<uint32_t>(field, self);
      if (load<uint32_t>(field, 0) >= uint32_t{1} << 31 || self >= uint64_t{1} << 31)
        return Error::refused("position-dependent code of the patch would lie above 2 GiB");
      break;
    case Fixup::Kind::import_abs64:
      if (fixup.import >= imports.size()) return Error::corrupt("a fixup names an import that does not exist");
      add_to<uint64_t>(field, imports[fixup.import]);
      break;
  }
  return {};
}

Result<std::vector<uint64_t>> resolve_imports(const HotImage &hot, const LinkContext &context) {
  std::vector<uint64_t> out;
  for (const Import &import : hot.imports) {
    const std::optional<RunAddr> found =
        TRY(find_symbol(context.process, context.modules, context.loader, {import.name, import.version}));
    if (!found && !import.weak)
      return Error::refused(cat("the process has no symbol ", import.name, import.version.empty() ? "" : "@",
                                import.version, ", which the patch needs"));
    out.push_back(found ? found->value : 0);
  }
  return out;
}

void copy_segments(Unit &unit) {
  const uint64_t header = unit.record.image - unit.record.code.begin;
  const uint64_t code_bytes = unit.record.code.size_bytes - header;
  for (const HotSegment &segment : unit.hot->segments) {
    Bytes &to = segment.writable ? unit.data : unit.code;
    const uint64_t at = segment.writable ? segment.address.value - code_bytes : header + segment.address.value;
    std::copy(segment.bytes.begin(), segment.bytes.end(), to.begin() + static_cast<ptrdiff_t>(at));
  }
}

Result<GateBlock> make_gates(const Unit &unit, const Arch &arch, RunAddr at, const LinkContext &context) {
  std::vector<GateRequest> requests;
  for (const Redirect &redirect : unit.hot->redirects) {
    GateRequest request{unit.module.bias.to_run(redirect.site), {}, new_entry(unit, redirect)};
    TRY(read_entry_code(context.process, request.site, redirect.name, request.entry_code));
    requests.push_back(std::move(request));
  }
  for (const Restore &restore : unit.restores) {
    GateRequest request{restore.site, {}, RunAddr(), {}};
    TRY(read_entry_code(context.process, restore.site, restore.name, request.entry_code));
    request.landing_code = request.entry_code;
    std::copy(restore.bytes.begin(), restore.bytes.end(), request.landing_code.begin());
    requests.push_back(std::move(request));
  }
  return build_gates(arch, at, unit.record.code.begin, requests);
}

Status set_gate(RecordFunction &function, const Gate &gate, const Arch &arch) {
  function.gate = gate.stub;
  function.displaced = gate.displaced;
  function.hold_flag = gate.hold_flag;
  if (!function.has_gate()) return {};
  const Bytes jump = TRY(arch.encode_jump(function.site.value, gate.stub.begin.value));
  std::copy(jump.begin(), jump.end(), function.gate_bytes.begin());
  return {};
}

// Of a function that goes back to what was there before a superseded patch. Its "direct" bytes are those; its new code
// is the copy of them that callers take while the gates are in.
Result<RecordFunction> describe(const Restore &restore, const Gate &gate, const Arch &arch,
                                const LinkContext &context) {
  RecordFunction out;
  out.name = restore.name;
  out.old_entry = restore.old_entry;
  out.site = restore.site;
  out.old_bytes = restore.now;
  out.direct_bytes = restore.bytes;
  out.new_code = gate.landing;
  out.old_parts = restore.left;
  TRY(set_gate(out, gate, arch));
  for (const RunRange &left : restore.left) {
    const Result<Bytes> code = context.process.read_bytes(left.begin, std::min(left.size_bytes, kMaxOldCodeBytes));
    out.loops_to_entry =
        out.loops_to_entry || !code || branches_to(arch, *code, left.begin, restore.old_entry, restore.site);
  }
  return out;
}

Result<RecordFunction> describe(const Unit &unit, const Redirect &redirect, const Gate &gate, const Arch &arch,
                                const LinkContext &context) {
  TRY(check_redirect(unit, redirect));
  RecordFunction out;
  out.name = redirect.name;
  out.old_entry = unit.module.bias.to_run(redirect.old_entry);
  out.site = unit.module.bias.to_run(redirect.site);
  out.new_code = {new_entry(unit, redirect), redirect.new_size_bytes};
  for (const LinkRange &part : redirect.old_parts)
    out.old_parts.push_back({unit.module.bias.to_run(part.begin), part.size_bytes});
  const std::vector<RunRange> &covered = unit.covered[static_cast<size_t>(&redirect - unit.hot->redirects.data())];
  out.old_parts.insert(out.old_parts.end(), covered.begin(), covered.end());
  if (out.old_parts.size() > kMaxRecordParts) return Error::corrupt(cat(redirect.name, ": has too many parts"));
  TRY(context.process.read(out.site, out.old_bytes));
  const Bytes direct = TRY(arch.encode_jump(out.site.value, out.new_code.begin.value));
  std::copy(direct.begin(), direct.end(), out.direct_bytes.begin());
  TRY(set_gate(out, gate, arch));
  out.loops_to_entry = loops_to_entry(arch, context, unit, redirect);
  return out;
}

// The record as large as it will be, so that it can be measured.
void draft_functions(Unit &unit) {
  unit.record.functions.clear();
  const auto add = [&](const std::string &name, size_t parts) {
    RecordFunction &function = unit.record.functions.emplace_back();
    function.name = name;
    function.old_parts.resize(std::min(parts, kMaxRecordParts));
  };
  for (size_t i = 0; i < unit.hot->redirects.size(); ++i)
    add(unit.hot->redirects[i].name, unit.hot->redirects[i].old_parts.size() + unit.covered[i].size());
  for (const Restore &restore : unit.restores) add(restore.name, restore.left.size());
  unit.record.hooks.clear();
  for (const Hook &hook : unit.hot->author.hooks) unit.record.hooks.push_back({hook.kind, RunAddr(), hook.name});
}

// Behind the data, unless this copy of the image has a table already.
void place_shadow_table(Unit &unit, const LinkContext &context) {
  if (unit.hot->author.shadow_root.value == 0) return;
  if (const auto table = find_shadow_table(context.process, context.records, unit.module.base)) {
    unit.record.shadow = *table;
    return;
  }
  unit.makes_shadow_table = true;
  unit.record.shadow.size_bytes = kShadowTableBytes;
}

void link_author_code(Unit &unit) {
  const AuthorCode &author = unit.hot->author;
  const uint64_t image = unit.record.image.value;
  for (size_t i = 0; i < author.hooks.size(); ++i)
    unit.record.hooks[i].function = RunAddr(image + author.hooks[i].function.value);
  if (!author.hooks.empty()) {
    unit.record.hook_runner = RunAddr(image + author.hook_runner.value);
    unit.record.hook_counts = RunAddr(image + author.hook_counts.value);
  }
  if (unit.record.shadow.size_bytes == 0) return;
  const std::span<uint8_t> root = field_of(unit, author.shadow_root, sizeof(uint64_t));
  if (!root.empty()) store<uint64_t>(root, 0, unit.record.shadow.begin.value);
}

// Right below an image lies what the loader and the first allocations had, and pointers to what is gone from there stand in memory for
// long: a search for pointers to the region would find them, and keep it mapped after it was taken back. Farther below, where there
// is room in reach, little has ever been; at an address that nobody knows beforehand.
RunAddr wanted_place(RunAddr low, RunAddr begin) {
  constexpr uint64_t kFarBelow = uint64_t{512} << 20, kSpread = uint64_t{256} << 20;
  if (low.value == 0 || begin.value - low.value < kFarBelow + kSpread) return begin;
  std::random_device random;
  const uint64_t pages = std::uniform_int_distribution<uint64_t>(0, kSpread / kPageBytes)(random);
  return RunAddr(begin.value / kPageBytes * kPageBytes - kFarBelow - pages * kPageBytes);
}

}  // namespace

uint64_t round_to_pages(uint64_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

Status place_unit(Unit &unit, const Maps &maps, const std::vector<RunRange> &taken, const LinkContext &context) {
  if (unit.hot->redirects.size() + unit.restores.size() > kMaxRecordFunctions)
    return Error::refused("the patch replaces too many functions");
  draft_functions(unit);
  place_shadow_table(unit, context);
  const Extent extent = TRY(measure(*unit.hot));
  const uint64_t header = round_to_pages(header_bytes_for(unit));
  const bool object = context.register_unwind && unit.hot->eh_frame_bytes != 0;
  const bool own_object = unit.hot->unwinder && unit.hot->eh_frame_bytes != 0;
  const uint64_t object_at = (extent.data_bytes + 15) & ~uint64_t{15};
  const uint64_t own_object_at = object_at + (object ? sizeof(UnwindObject) : 0);
  const uint64_t objects_end = own_object_at + (own_object ? sizeof(UnwindObject) : 0);
  const uint64_t data = round_to_pages(object || own_object ? objects_end : extent.data_bytes);
  const uint64_t shadow = unit.makes_shadow_table ? unit.record.shadow.size_bytes : 0;
  const uint64_t total = header + extent.code_bytes + data + shadow;

  // From everywhere in the region to everywhere in the base, and back.
  const RunRange span = unit.module.span;
  if (span.size_bytes + total > kReach) return Error::refused("the image is too large for 32-bit branches");
  const RunAddr low(span.end().value > kReach ? span.end().value - kReach : 0);
  const RunAddr high(span.begin.value + kReach);
  Maps with_taken = maps.with(taken);
  // Below the image first: above a program its heap will grow.
  std::optional<RunAddr> place = with_taken.find_gap(total, low, span.begin, wanted_place(low, span.begin));
  if (!place) place = with_taken.find_gap(total, span.end(), high, high);
  if (!place)
    return Error::refused(
        cat("no free ", total, " bytes within 2 GiB of ", unit.module.name, " at ", hex(span.begin.value)));
  unit.record.code = {*place, header + extent.code_bytes};
  unit.record.data = {unit.record.code.end(), data};
  unit.record.image = *place + header;
  if (unit.makes_shadow_table) unit.record.shadow.begin = unit.record.data.end();
  if (unit.hot->eh_frame_bytes != 0)
    unit.record.eh_frame = {RunAddr(unit.record.image.value + unit.hot->eh_frame.value), unit.hot->eh_frame_bytes};
  if (object) unit.record.unwind_object = unit.record.data.begin + object_at;
  if (own_object) unit.record.own_unwind = {unit.record.data.begin + own_object_at, unit.module.bias.to_run(unit.hot->unwinder->remove)};
  return {};
}

Status link_unit(Unit &unit, const Arch &arch, const LinkContext &context) {
  const RunAddr head_at = unit.record.code.begin;
  const uint64_t body_bytes = encode_record_body(unit.record).size();
  const RunAddr gates_at((head_at.value + sizeof(RecordHead) + body_bytes + 15) & ~uint64_t{15});
  const GateBlock gates = TRY(make_gates(unit, arch, gates_at, context));
  if (gates_at + gates.bytes.size() > unit.record.image) return Error::refused("the gates do not fit the header");
  std::vector<RecordFunction> functions;
  for (size_t i = 0; i < unit.hot->redirects.size(); ++i)
    functions.push_back(TRY(describe(unit, unit.hot->redirects[i], gates.gates[i], arch, context)));
  for (size_t i = 0; i < unit.restores.size(); ++i)
    functions.push_back(TRY(describe(unit.restores[i], gates.gates[unit.hot->redirects.size() + i], arch, context)));
  unit.record.functions = std::move(functions);
  unit.record.hold_code = gates.hold_code;

  unit.code.assign(static_cast<size_t>(unit.record.code.size_bytes), 0);
  unit.data.assign(static_cast<size_t>(unit.record.data.size_bytes), 0);
  copy_segments(unit);
  const std::vector<uint64_t> imports = TRY(resolve_imports(*unit.hot, context));
  for (const Fixup &fixup : unit.hot->fixups) TRY(apply_fixup(unit, fixup, imports));

  link_author_code(unit);

  const Bytes body = encode_record_body(unit.record);
  assert(body.size() == body_bytes);
  RecordHead head;
  head.body_bytes = static_cast<uint32_t>(body.size());
  head.gate = kGateOld;
  head.gate_address = unit.gate_address.value;
  head.state = static_cast<uint64_t>(RecordState::loaded);
  head.checksum = record_checksum(body);
  std::memcpy(unit.code.data(), &head, sizeof head);
  std::copy(body.begin(), body.end(), unit.code.begin() + sizeof head);
  std::copy(gates.bytes.begin(), gates.bytes.end(), unit.code.begin() + static_cast<ptrdiff_t>(gates_at - head_at));
  return {};
}

}  // namespace suture
