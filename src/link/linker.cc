#include "link/linker.h"

#include <algorithm>
#include <map>

#include "arch/arch.h"
#include "base/byte_writer.h"
#include "base/cat.h"
#include "link/unwind_table.h"

namespace suture {

namespace {

using Kind = PatchPiece::Kind;

uint64_t align_up(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

// Read-only pieces with pointers in them would need relocation in a read-only segment of the coldpatch. Where the image has a
// fixed address, only the address of an import does.
bool needs_writable(const PatchPiece &piece, const Image &base) {
  if (piece.kind == Kind::data || piece.kind == Kind::bss) return true;
  return piece.kind != Kind::code && std::any_of(piece.edges.begin(), piece.edges.end(), [&](const PatchEdge &edge) {
    return edge.to == PatchEdge::To::import || (!base.fixed && !edge.pc_relative && edge.to != PatchEdge::To::constant);
  });
}

class Linker {
 public:
  Linker(const PatchObject &patch, const Image &base, const Arch &arch, const std::string &id) : patch_(patch), base_(base), arch_(arch) {
    out_.patch_id = id;
    out_.arch = base.arch;
    out_.base_id = base.id;
    out_.base_digest = base.digest;
    out_.base_path = base.path;
    out_.base_span = base.span();
    out_.base_fixed = base.fixed;
    out_.imports = patch.imports;
    out_.validations = patch.validations;
    out_.unwinder = patch.unwinder;
  }

  Result<HotImage> run() {
    place_.resize(patch_.pieces.size());
    lay_out_text();
    lay_out_data();
    TRY(fill());
    finish();
    return std::move(out_);
  }

 private:
  struct Group {
    const char *name;
    Kind kind;
  };

  void lay_out_text() {
    at_ = kHotHeaderBytes;
    for (const Group &group : {Group{".text", Kind::code}, Group{".rodata", Kind::rodata}, Group{".gcc_except_table", Kind::lsda}})
      place_group(group.name, group.kind, false);
    // Sizes do not depend on where things are, so the table can be built with its edges still open.
    table_ = build_unwind_table(patch_.unwind);
    if (!table_.bytes.empty()) {
      at_ = align_up(at_, 8);
      out_.eh_frame = PatchOffset(at_);
      out_.eh_frame_bytes = table_.bytes.size();
      out_.sections.push_back({".eh_frame", PatchOffset(at_), table_.bytes.size(), 8, false, false, false});
      at_ += table_.bytes.size();
    }
    text_end_ = at_;
  }

  // Data starts on a page of its own, at the place that follows the text bytes in the file.
  void lay_out_data() {
    data_begin_ = align_up(text_end_, kPageBytes) + text_end_ % kPageBytes;
    if (text_end_ % kPageBytes == 0) data_begin_ = text_end_;
    at_ = data_begin_;
    place_group(".data.rel.ro", Kind::rodata, true);
    place_group(".gcc_except_table", Kind::lsda, true);
    place_group(".data", Kind::data, true);
    data_end_ = at_;
    place_group(".bss", Kind::bss, true);
    memory_end_ = at_;
    has_data_ = memory_end_ > data_begin_;
  }

  void place_group(const char *name, Kind kind, bool writable) {
    uint64_t begin = 0;
    uint64_t alignment = 1;
    for (size_t i = 0; i < patch_.pieces.size(); ++i) {
      const PatchPiece &piece = patch_.pieces[i];
      if (piece.kind != kind || needs_writable(piece, base_) != writable) continue;
      at_ = align_up(at_, std::max<uint64_t>(1, piece.alignment));
      if (begin == 0) begin = at_;
      alignment = std::max(alignment, piece.alignment);
      place_[i] = at_;
      at_ += piece.size_bytes;
    }
    if (begin != 0 && at_ > begin)
      out_.sections.push_back({name, PatchOffset(begin), at_ - begin, alignment, writable, kind == Kind::code, kind == Kind::bss});
  }

  Status fill() {
    HotSegment text;
    text.executable = true;
    text.bytes.resize(text_end_);
    text.memory_bytes = text_end_;
    HotSegment data;
    data.writable = true;
    data.address = PatchOffset(data_begin_);
    data.bytes.resize(data_end_ - data_begin_);
    data.memory_bytes = memory_end_ - data_begin_;
    out_.segments.push_back(std::move(text));
    if (has_data_) out_.segments.push_back(std::move(data));
    pad_code();
    for (size_t i = 0; i < patch_.pieces.size(); ++i) {
      const PatchPiece &piece = patch_.pieces[i];
      std::copy(piece.bytes.begin(), piece.bytes.end(), at(place_[i]));
      for (const PatchEdge &edge : piece.edges) TRY_WHILE(apply(place_[i], edge), cat("linking ", piece.name));
    }
    std::copy(table_.bytes.begin(), table_.bytes.end(), out_.eh_frame_bytes ? at(out_.eh_frame.value) : out_.segments[0].bytes.end());
    for (const PatchEdge &edge : table_.edges) TRY_WHILE(apply(out_.eh_frame.value, edge), "linking the unwind table");
    return {};
  }

  // Gaps between functions trap rather than run.
  void pad_code() {
    for (const HotSection &section : out_.sections)
      if (section.executable) arch_.fill_traps({at(section.address.value), section.size_bytes});
  }

  Bytes::iterator at(uint64_t address) {
    HotSegment &segment = has_data_ && address >= data_begin_ ? out_.segments[1] : out_.segments[0];
    return segment.bytes.begin() + static_cast<ptrdiff_t>(address - segment.address.value);
  }

  Status apply(uint64_t piece_at, const PatchEdge &edge) {
    const uint64_t place = piece_at + edge.offset;
    uint64_t value = static_cast<uint64_t>(edge.addend);
    switch (edge.to) {
      case PatchEdge::To::piece: value += place_[edge.piece]; break;
      case PatchEdge::To::base:
      case PatchEdge::To::constant: value += edge.base; break;
      case PatchEdge::To::import: break;
    }
    if (edge.pc_relative) value -= place;
    TRY(note_fixup(edge, place));
    if (edge.field_bytes == 8) {
      store8(place, value);
      return {};
    }
    // base_rel32 fields wrap; all others must hold their value as it is.
    const bool wraps = edge.to == PatchEdge::To::base && edge.pc_relative;
    const auto as_signed = static_cast<int64_t>(value);
    const bool fits = edge.pc_relative || edge.sign_extended ? as_signed == static_cast<int32_t>(as_signed) : value == static_cast<uint32_t>(value);
    if (!wraps && !fits) return Error::refused(cat("a 32-bit field cannot hold ", hex(value)));
    store4(place, static_cast<uint32_t>(value));
    return {};
  }

  Status note_fixup(const PatchEdge &edge, uint64_t place) {
    using To = PatchEdge::To;
    const auto add = [&](Fixup::Kind kind) { out_.fixups.push_back({kind, PatchOffset(place), edge.to == To::import ? edge.import : 0}); };
    if (edge.to == To::constant || (edge.to == To::piece && edge.pc_relative)) return {};
    if (edge.to == To::import) {
      if (edge.field_bytes != 8 || edge.pc_relative) return Error::refused("an import is only reachable through a pointer");
      add(Fixup::Kind::import_abs64);
    } else if (edge.to == To::base) {
      if (edge.pc_relative && edge.field_bytes == 8) return Error::refused("64-bit distances to the base image are not supported");
      if (edge.pc_relative) add(Fixup::Kind::base_rel32);
      else if (edge.field_bytes == 8) add(Fixup::Kind::base_abs64);
      else if (!base_.fixed) return Error::refused("32-bit absolute address in a position-independent image");
    } else {
      add(edge.field_bytes == 8 ? Fixup::Kind::self_abs64 : Fixup::Kind::self_abs32);
    }
    return {};
  }

  void store4(uint64_t address, uint32_t value) { std::copy_n(reinterpret_cast<const uint8_t *>(&value), 4, at(address)); }
  void store8(uint64_t address, uint64_t value) { std::copy_n(reinterpret_cast<const uint8_t *>(&value), 8, at(address)); }

  void finish() {
    for (const PatchRedirect &entry : patch_.redirects) {
      Redirect redirect = entry.redirect;
      redirect.target = PatchOffset(place_[entry.piece] + entry.offset);
      redirect.new_size_bytes = patch_.pieces[entry.piece].size_bytes - entry.offset;
      out_.redirects.push_back(std::move(redirect));
    }
    for (size_t i = 0; i < patch_.pieces.size(); ++i) {
      const PatchPiece &piece = patch_.pieces[i];
      if (piece.name.empty() || piece.size_bytes == 0) continue;
      out_.symbols.push_back({piece.name, PatchOffset(place_[i]), piece.size_bytes, piece.is_function, piece.global});
    }
    std::sort(out_.fixups.begin(), out_.fixups.end());
    place_author_code();
  }

  void place_author_code() {
    const PatchAuthorCode &author = patch_.author;
    for (const PatchHook &hook : author.hooks)
      out_.author.hooks.push_back({hook.kind, PatchOffset(place_[hook.piece] + hook.offset), hook.name});
    if (!author.hooks.empty()) {
      out_.author.hook_runner = PatchOffset(place_[author.hook_runner]);
      out_.author.hook_counts = PatchOffset(place_[author.hook_counts]);
    }
    if (author.shadow_root) out_.author.shadow_root = PatchOffset(place_[*author.shadow_root]);
  }

  const PatchObject &patch_;
  const Image &base_;
  const Arch &arch_;
  std::vector<uint64_t> place_;
  UnwindTable table_;
  uint64_t at_ = 0;
  uint64_t text_end_ = 0;
  uint64_t data_begin_ = 0;
  uint64_t data_end_ = 0;
  uint64_t memory_end_ = 0;
  bool has_data_ = false;
  HotImage out_;
};

}  // namespace

Result<HotImage> link_patch(const PatchObject &patch, const Image &base, const std::string &patch_id) {
  const Arch *arch = find_arch(base.arch);
  if (arch == nullptr) return Error::refused(cat("no code can be made for ", name_of(base.arch)));
  return Linker(patch, base, *arch, patch_id).run();
}

}  // namespace suture
