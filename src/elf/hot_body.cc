#include "elf/hot_body.h"

#include <zstd.h>

#include <algorithm>
#include <map>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/cat.h"
#include "elf/hot_check.h"

namespace suture {

namespace {

constexpr std::string_view kMagic = "SutureHP";
constexpr uint16_t kVersion = 1;
constexpr uint16_t kVersionWithFields = 2;  // tagged fields follow the redirects
constexpr uint16_t kCompressed = 1;         // flag: the body is one zstd frame
constexpr uint64_t kMaxBodyBytes = uint64_t{256} << 20;
constexpr size_t kFixupKinds = 5;
constexpr uint8_t kWeak = 1;

// Of fields that only some images have.
enum Tag : uint8_t { kTagHooks = 1, kTagShadowRoot = 2, kTagLineage = 16, kTagUnwinder = 17 };

enum Form : uint8_t { kFormBytes = 0, kFormMasked = 1, kFormDigest = 2 };

void put_text(ByteWriter &out, std::string_view text) {
  out.uleb(text.size());
  out.append(as_bytes(text));
}

std::string take_text(ByteReader &in) {
  const uint64_t size_bytes = in.uleb();
  return std::string(as_text(in.take(size_bytes)));
}

Bytes take_bytes(ByteReader &in, uint64_t count) {
  const ByteView view = in.take(count);
  return Bytes(view.begin(), view.end());
}

// A count of records that each take at least one byte: more than there are bytes is a lie, found before memory is asked
// for.
Result<size_t> take_count(ByteReader &in, size_t limit, std::string_view what) {
  const uint64_t count = in.uleb();
  if (!in.ok() || count > limit || count > in.remaining())
    return Error::corrupt(cat(".suture section claims ", count, " ", what));
  return static_cast<size_t>(count);
}

void put_identity(ByteWriter &out, const HotImage &image) {
  out.u8(static_cast<uint8_t>(image.arch));
  out.u8(static_cast<uint8_t>(image.base_id.kind));
  out.u8(image.base_fixed ? 1 : 0);
  out.uleb(image.base_id.bytes.size());
  out.append(image.base_id.bytes);
  out.append(image.base_digest);
  out.uleb(image.base_span.begin.value);
  out.uleb(image.base_span.size_bytes);
  out.uleb(image.eh_frame.value);
  out.uleb(image.eh_frame_bytes);
  put_text(out, image.patch_id);
  put_text(out, image.base_path);
}

Status take_identity(ByteReader &in, HotImage &image) {
  const uint8_t arch = in.u8();
  const uint8_t id_kind = in.u8();
  const uint8_t fixed = in.u8();
  if (arch != static_cast<uint8_t>(image.arch) || id_kind > 1 || fixed > 1)
    return Error::corrupt(".suture section disagrees with its file");
  image.base_id.kind = static_cast<ImageId::Kind>(id_kind);
  image.base_fixed = fixed == 1;
  image.base_id.bytes = take_bytes(in, in.uleb());
  const ByteView digest = in.take(image.base_digest.size());
  std::copy(digest.begin(), digest.end(), image.base_digest.begin());
  image.base_span.begin = LinkAddr(in.uleb());
  image.base_span.size_bytes = in.uleb();
  image.eh_frame = PatchOffset(in.uleb());
  image.eh_frame_bytes = in.uleb();
  image.patch_id = take_text(in);
  image.base_path = take_text(in);
  return {};
}

// Per kind: a count, then the distance of each place from the one before. Most distances in code fit one byte.
void put_fixups(ByteWriter &out, const HotImage &image) {
  size_t next = 0;
  for (size_t kind = 0; kind < kFixupKinds; ++kind) {
    size_t end = next;
    while (end < image.fixups.size() && static_cast<size_t>(image.fixups[end].kind) == kind) ++end;
    out.uleb(end - next);
    uint64_t previous = 0;
    for (; next < end; ++next) {
      const Fixup &fixup = image.fixups[next];
      out.uleb(fixup.at.value - previous);
      previous = fixup.at.value;
      if (fixup.kind == Fixup::Kind::import_abs64) out.uleb(fixup.import);
    }
  }
}

Status take_fixups(ByteReader &in, HotImage &image) {
  for (size_t kind = 0; kind < kFixupKinds; ++kind) {
    const size_t count = TRY(take_count(in, kMaxHotFixups, "fixups"));
    uint64_t at = 0;
    for (size_t i = 0; i < count && in.ok(); ++i) {
      Fixup fixup;
      fixup.kind = static_cast<Fixup::Kind>(kind);
      at += in.uleb();
      fixup.at = PatchOffset(at);
      if (fixup.kind == Fixup::Kind::import_abs64)
        fixup.import = static_cast<uint32_t>(std::min<uint64_t>(in.uleb(), UINT32_MAX));
      image.fixups.push_back(fixup);
    }
  }
  return {};
}

void put_imports(ByteWriter &out, const HotImage &image) {
  out.uleb(image.imports.size());
  for (const Import &import : image.imports) {
    out.u8(import.weak ? kWeak : 0);
    put_text(out, import.name);
    put_text(out, import.version);
  }
}

Status take_imports(ByteReader &in, HotImage &image) {
  const size_t count = TRY(take_count(in, kMaxHotImports, "imports"));
  for (size_t i = 0; i < count && in.ok(); ++i) {
    const uint8_t flags = in.u8();
    if (flags > kWeak) return Error::corrupt(".suture section has an import of an unknown kind");
    Import import;
    import.weak = flags == kWeak;
    import.name = take_text(in);
    import.version = take_text(in);
    image.imports.push_back(std::move(import));
  }
  return {};
}

Form form_of(const Validation &validation) {
  if (validation.expected.empty()) return kFormDigest;
  return validation.mask.empty() ? kFormBytes : kFormMasked;
}

void put_validations(ByteWriter &out, const HotImage &image) {
  out.uleb(image.validations.size());
  uint64_t previous = image.base_span.begin.value;
  for (const Validation &validation : image.validations) {
    const Form form = form_of(validation);
    out.u8(form);
    out.sleb(static_cast<int64_t>(validation.range.begin.value - previous));
    out.uleb(validation.range.size_bytes);
    previous = validation.range.begin.value;
    if (form == kFormDigest) out.append(validation.digest);
    out.append(validation.expected);
    out.append(validation.mask);
  }
}

Status take_validations(ByteReader &in, HotImage &image) {
  const size_t count = TRY(take_count(in, kMaxHotValidations, "validations"));
  uint64_t previous = image.base_span.begin.value;
  for (size_t i = 0; i < count && in.ok(); ++i) {
    const uint8_t form = in.u8();
    if (form > kFormDigest) return Error::corrupt(".suture section has a validation of an unknown form");
    Validation validation;
    previous += static_cast<uint64_t>(in.sleb());
    validation.range = {LinkAddr(previous), in.uleb()};
    if (form == kFormDigest) {
      const ByteView digest = in.take(validation.digest.size());
      std::copy(digest.begin(), digest.end(), validation.digest.begin());
    } else {
      validation.expected = take_bytes(in, validation.range.size_bytes);
      if (form == kFormMasked) validation.mask = take_bytes(in, validation.range.size_bytes);
      if (validation.expected.empty()) return Error::corrupt(".suture section has an empty validation");
    }
    image.validations.push_back(std::move(validation));
  }
  return {};
}

void put_redirects(ByteWriter &out, const HotImage &image) {
  std::map<std::string_view, size_t> symbol_of;
  for (size_t i = 0; i < image.symbols.size(); ++i) symbol_of.emplace(image.symbols[i].name, i);
  out.uleb(image.redirects.size());
  uint64_t previous = image.base_span.begin.value;
  for (const Redirect &redirect : image.redirects) {
    const auto symbol = symbol_of.find(redirect.name);
    out.uleb(symbol == symbol_of.end() ? 0 : symbol->second + 1);
    if (symbol == symbol_of.end()) put_text(out, redirect.name);
    out.sleb(static_cast<int64_t>(redirect.old_entry.value - previous));
    previous = redirect.old_entry.value;
    out.uleb(redirect.site - redirect.old_entry);
    out.uleb(redirect.room_bytes);
    out.uleb(redirect.target.value);
    out.uleb(redirect.new_size_bytes);
    out.uleb(redirect.old_parts.size());
    for (const LinkRange &part : redirect.old_parts) {
      out.sleb(static_cast<int64_t>(part.begin.value - previous));
      out.uleb(part.size_bytes);
    }
  }
}

Result<std::string> take_redirect_name(ByteReader &in, const HotImage &image) {
  const uint64_t symbol = in.uleb();
  if (symbol == 0) return take_text(in);
  if (symbol > image.symbols.size()) return Error::corrupt(".suture section names a symbol that the file lacks");
  return image.symbols[static_cast<size_t>(symbol - 1)].name;
}

Status take_redirects(ByteReader &in, HotImage &image) {
  const size_t count = TRY(take_count(in, kMaxHotRedirects, "redirects"));
  uint64_t previous = image.base_span.begin.value;
  for (size_t i = 0; i < count && in.ok(); ++i) {
    Redirect redirect;
    redirect.name = TRY(take_redirect_name(in, image));
    previous += static_cast<uint64_t>(in.sleb());
    redirect.old_entry = LinkAddr(previous);
    redirect.site = redirect.old_entry + in.uleb();
    const uint64_t room_bytes = in.uleb();
    if (room_bytes > UINT32_MAX) return Error::corrupt(".suture section has a redirect with impossible room");
    redirect.room_bytes = static_cast<uint32_t>(room_bytes);
    redirect.target = PatchOffset(in.uleb());
    redirect.new_size_bytes = in.uleb();
    const size_t parts = TRY(take_count(in, kMaxHotParts, "parts of a function"));
    for (size_t part = 0; part < parts && in.ok(); ++part) {
      const LinkAddr begin(previous + static_cast<uint64_t>(in.sleb()));
      redirect.old_parts.push_back({begin, in.uleb()});
    }
    image.redirects.push_back(std::move(redirect));
  }
  return {};
}

void put_field(ByteWriter &out, Tag tag, const ByteWriter &content) {
  out.uleb(tag);
  out.uleb(content.size());
  out.append(content.bytes());
}

// Ascending by tag.
void put_fields(ByteWriter &out, const HotImage &image) {
  const AuthorCode &author = image.author;
  if (!author.hooks.empty()) {
    ByteWriter hooks;
    hooks.uleb(author.hook_runner.value);
    hooks.uleb(author.hook_counts.value);
    hooks.uleb(author.hooks.size());
    for (const Hook &hook : author.hooks) {
      hooks.u8(static_cast<uint8_t>(hook.kind));
      hooks.uleb(hook.function.value);
      put_text(hooks, hook.name);
    }
    put_field(out, kTagHooks, hooks);
  }
  if (author.shadow_root.value != 0) {
    ByteWriter root;
    root.uleb(author.shadow_root.value);
    put_field(out, kTagShadowRoot, root);
  }
  if (image.sequence != 1 || !image.supersedes.empty()) {
    ByteWriter lineage;
    lineage.uleb(image.sequence);
    lineage.uleb(image.supersedes.size());
    for (const std::string &id : image.supersedes) put_text(lineage, id);
    put_field(out, kTagLineage, lineage);
  }
  if (image.unwinder) {
    ByteWriter unwinder;
    unwinder.uleb(image.unwinder->add.value);
    unwinder.uleb(image.unwinder->remove.value);
    put_field(out, kTagUnwinder, unwinder);
  }
}

Status take_hooks(ByteReader &in, AuthorCode &author) {
  author.hook_runner = PatchOffset(in.uleb());
  author.hook_counts = PatchOffset(in.uleb());
  const size_t count = TRY(take_count(in, kMaxHotHooks, "hooks"));
  for (size_t i = 0; i < count && in.ok(); ++i) {
    const uint8_t kind = in.u8();
    if (kind >= kHookKinds) return Error::corrupt(".suture section has a hook of an unknown kind");
    Hook hook;
    hook.kind = static_cast<Hook::Kind>(kind);
    hook.function = PatchOffset(in.uleb());
    hook.name = take_text(in);
    author.hooks.push_back(std::move(hook));
  }
  return {};
}

Status take_lineage(ByteReader &in, HotImage &image) {
  image.sequence = in.uleb();
  const size_t count = TRY(take_count(in, kMaxSuperseded, "superseded patches"));
  for (size_t i = 0; i < count && in.ok(); ++i) image.supersedes.push_back(take_text(in));
  if (image.sequence == 0) return Error::corrupt(".suture section has a patch of sequence 0");
  return {};
}

// A field that this program does not know changes what applying means, so it is not passed over.
Status take_field(uint64_t tag, ByteReader &in, HotImage &image) {
  switch (tag) {
    case kTagHooks:
      TRY(take_hooks(in, image.author));
      break;
    case kTagShadowRoot:
      image.author.shadow_root = PatchOffset(in.uleb());
      break;
    case kTagLineage:
      TRY(take_lineage(in, image));
      break;
    case kTagUnwinder: {
      const LinkAddr add(in.uleb());
      image.unwinder = OwnUnwinder{add, LinkAddr(in.uleb())};
      break;
    }
    default:
      return Error::refused(cat(".suture section has a field ", tag, " that this program does not know"))
          .with_next("use the suture that made the package, or a newer one");
  }
  if (!in.ok() || !in.at_end()) return Error::corrupt(cat("field ", tag, " of the .suture section is malformed"));
  return {};
}

Status take_fields(ByteReader &in, HotImage &image) {
  uint64_t previous = 0;
  while (in.ok() && !in.at_end()) {
    const uint64_t tag = in.uleb();
    if (in.ok() && tag <= previous) return Error::corrupt(".suture section has fields out of order");
    previous = tag;
    ByteReader field(in.take(in.uleb()));
    if (in.ok()) TRY(take_field(tag, field, image));
  }
  return {};
}

Result<Bytes> unpack(ByteReader &in, uint16_t flags, uint32_t body_bytes) {
  const ByteView stored = in.take(in.remaining());
  if (!(flags & kCompressed)) {
    if (stored.size() != body_bytes) return Error::corrupt(".suture section is cut short");
    return Bytes(stored.begin(), stored.end());
  }
  // A zstd frame states its content size; trusting ours only after it agrees keeps a small file from asking for much
  // memory.
  if (body_bytes > kMaxBodyBytes || ZSTD_getFrameContentSize(stored.data(), stored.size()) != body_bytes ||
      ZSTD_findFrameCompressedSize(stored.data(), stored.size()) != stored.size())
    return Error::corrupt(".suture section's compressed body is malformed");
  Bytes body(body_bytes);
  if (ZSTD_decompress(body.data(), body.size(), stored.data(), stored.size()) != body.size())
    return Error::corrupt(".suture section's compressed body is malformed");
  return body;
}

}  // namespace

Bytes write_hot_body(const HotImage &image) {
  ByteWriter body;
  put_identity(body, image);
  put_fixups(body, image);
  put_imports(body, image);
  put_validations(body, image);
  put_redirects(body, image);
  const size_t fixed_bytes = body.size();
  put_fields(body, image);
  // Readers of version 1 know no fields, and need not refuse an image that has none.
  const uint16_t version = body.size() == fixed_bytes ? kVersion : kVersionWithFields;

  constexpr int kLevel = 19;
  Bytes packed(ZSTD_compressBound(body.size()));
  const size_t packed_bytes = ZSTD_compress(packed.data(), packed.size(), body.bytes().data(), body.size(), kLevel);
  const bool smaller = !ZSTD_isError(packed_bytes) && packed_bytes < body.size();
  packed.resize(smaller ? packed_bytes : 0);

  ByteWriter out;
  out.append(as_bytes(kMagic));
  out.u16(version);
  out.u16(smaller ? kCompressed : 0);
  out.u32(static_cast<uint32_t>(body.size()));
  out.append(smaller ? packed : body.bytes());
  return std::move(out).take();
}

Status read_hot_body(ByteView section, HotImage &image) {
  ByteReader outer(section);
  if (as_text(outer.take(kMagic.size())) != kMagic) return Error::corrupt(".suture section lacks its magic");
  const uint16_t version = outer.u16();
  const uint16_t flags = outer.u16();
  const uint32_t body_bytes = outer.u32();
  if (!outer.ok()) return Error::corrupt(".suture section is cut short");
  if (version < kVersion || version > kVersionWithFields || flags > kCompressed)
    return Error::refused(cat(".suture section has version ", version, ", flags ", flags,
                              "; this program reads versions up to ", kVersionWithFields));
  const Bytes body = TRY(unpack(outer, flags, body_bytes));

  ByteReader in(body);
  TRY(take_identity(in, image));
  TRY(take_fixups(in, image));
  TRY(take_imports(in, image));
  TRY(take_validations(in, image));
  TRY(take_redirects(in, image));
  if (version == kVersionWithFields) TRY(take_fields(in, image));
  if (!in.ok() || !in.at_end()) return Error::corrupt(".suture section's body has the wrong length");
  return {};
}

}  // namespace suture
