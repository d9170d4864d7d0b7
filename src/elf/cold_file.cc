// One file from two: the base as it is, a read-only segment of tables that had to grow, and the patch's own segments
// (docs/formats/cold.md shows the layout). What every part holds is decided elsewhere; here is where it goes.
#include "elf/cold_file.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "arch/arch.h"
#include "base/byte_writer.h"
#include "base/cat.h"
#include "elf/cold_dynamic.h"
#include "elf/cold_note.h"
#include "elf/cold_sections.h"
#include "elf/cold_unwind.h"
#include "elf/debug_frame.h"
#include "elf/elf64.h"
#include "elf/hot_check.h"

namespace suture {

namespace {

// A hole this large may be left in the file to keep "address minus offset" the same all over it, which kernels
// before 5.18 rely on to tell the program where its program headers are (AT_PHDR).
constexpr uint64_t kMaxHoleBytes = uint64_t{16} << 20;
constexpr uint64_t kRoomForSections = uint64_t{64} << 10;  // section headers, names and unwind tables: most need less
constexpr uint64_t kReachBytes = uint64_t{1} << 31;

uint64_t page_up(uint64_t value) {
  return (value + kPageBytes - 1) / kPageBytes * kPageBytes;
}

template <typename T>
ByteView view_of(const T &object) {
  return {reinterpret_cast<const uint8_t *>(&object), sizeof object};
}

Status check_validations(const Image &base, const HotImage &hot) {
  for (const Validation &validation : hot.validations) {
    const ByteView found = base.at(validation.range.begin, validation.range.size_bytes);
    bool same = found.size() == validation.range.size_bytes;
    if (same && validation.expected.empty()) same = sha256(found) == validation.digest;
    for (size_t i = 0; same && i < validation.expected.size(); ++i) {
      const uint8_t mask = validation.mask.empty() ? uint8_t{0xff} : validation.mask[i];
      same = ((found[i] ^ validation.expected[i]) & mask) == 0;
    }
    if (!same)
      return Error::refused(cat("the ", validation.range.size_bytes, " bytes at ", hex(validation.range.begin.value),
                                " are not those the patch was made for"));
  }
  return {};
}

// Where in the new file, and at which address, the added parts lie.
struct Place {
  LinkAddr tables;
  FileOffset tables_offset;
  LinkAddr patch;  // the patch's address 0
};

// Parts of the table segment, with their place in it.
struct Piece {
  uint64_t offset = 0;
  uint64_t size_bytes = 0;
};

struct Tables {
  DynamicTables dynamic;
  std::array<Piece, kDynamicTables> dynamic_pieces;
  Piece programs, note, unwind;
  Bytes content;  // the segment; program headers still zero
};

class ColdWriter {
 public:
  ColdWriter(const Image &base, const HotImage &hot, const Elf64File &file, BaseDynamic dynamic)
      : base_(base), hot_(hot), file_(file), dynamic_(std::move(dynamic)) {}

  Result<Bytes> write() {
    kept_ = TRY(kept_bytes(file_, base_.bytes));
    choose_place();
    TRY(check_reach());
    // The sizes of the tables do not depend on where they lie, so a first draft tells where the patch will lie.
    link_patch();
    const Tables draft = TRY(build_tables());
    place_.patch = LinkAddr(page_up(place_.tables.value + draft.content.size()));
    TRY(check_reach());
    link_patch();
    tables_ = TRY(build_tables());
    append_segments();
    TRY(write_redirects());
    TRY(write_initial_values());
    TRY(update_dynamic());
    Elf64_Ehdr header = file_.header();
    write_program_headers(header);
    append_debug_frame();
    TRY(append_sections(file_, section_changes(), out_, header));
    std::memcpy(out_.data(), &header, sizeof header);
    return std::move(out_);
  }

 private:
  void choose_place() {
    const LinkRange span = base_.span();
    const uint64_t end = page_up(span.end().value);
    place_ = {LinkAddr(end), FileOffset(page_up(kept_)), LinkAddr(end)};
    if (!base_.executable) return;  // nobody is told where a shared object's program headers are
    const Segment &first = base_.segments.front();
    const uint64_t delta = first.address.value - first.offset.value;
    const uint64_t address = std::max(end, page_up(kept_ + delta));
    if (address - delta - kept_ > kMaxHoleBytes) return;
    place_ = {LinkAddr(address), FileOffset(address - delta), LinkAddr(address)};
  }

  Status check_reach() const {
    const uint64_t end = place_.patch.value + hot_.span_bytes();
    if (end - base_.span().begin.value >= kReachBytes)
      return Error::refused(
          cat("the file spans ", base_.span().size_bytes, " bytes of memory; code behind it cannot reach all of it"));
    for (const Fixup &fixup : hot_.fixups)
      if (fixup.kind == Fixup::Kind::self_abs32 && (!base_.fixed || end >= kReachBytes))
        return Error::refused("the patch holds 32-bit addresses, which a file that moves cannot have");
    return {};
  }

  void link_patch() {
    linked_ = hot_.segments;
    // Tools take a segment with no bytes in the file for one without content, so a small one of zeros only is written
    // out.
    for (HotSegment &segment : linked_)
      if (segment.bytes.empty() && segment.memory_bytes <= kPageBytes) segment.bytes.resize(segment.memory_bytes);
    for (const Fixup &fixup : hot_.fixups) {
      HotSegment &segment = linked_[static_cast<size_t>(segment_with_bytes(hot_, fixup.at, fixup_bytes(fixup.kind)) -
                                                        hot_.segments.data())];
      const std::span<uint8_t> bytes(segment.bytes);
      const size_t at = fixup.at - segment.address;
      const uint64_t patch = place_.patch.value;
      switch (fixup.kind) {
        case Fixup::Kind::base_rel32:
          store(bytes, at, static_cast<uint32_t>(load<uint32_t>(bytes, at) - patch));
          break;
        case Fixup::Kind::self_abs64:
          store(bytes, at, load<uint64_t>(bytes, at) + patch);
          break;
        case Fixup::Kind::self_abs32:
          store(bytes, at, static_cast<uint32_t>(load<uint32_t>(bytes, at) + patch));
          break;
        case Fixup::Kind::base_abs64:    // the link address is there already
        case Fixup::Kind::import_abs64:  // the loader's
          break;
      }
    }
  }

  bool is_old_note(const Elf64_Phdr &program) const {
    return program.p_type == PT_NOTE && is_cold_note(base_.at(LinkAddr(program.p_vaddr), program.p_filesz));
  }

  Result<Tables> build_tables() const {
    Tables tables;
    ByteWriter out;
    const auto add = [&](ByteView content, size_t alignment) {
      out.pad_to(alignment);
      const Piece piece{out.size(), content.size()};
      out.append(content);
      return piece;
    };
    const Bytes unwind_draft = TRY(build_unwind(place_.tables));
    const auto &programs = file_.programs();
    const auto has = [&](uint32_t type) {
      return std::any_of(programs.begin(), programs.end(), [&](const Elf64_Phdr &p) { return p.p_type == type; });
    };
    const auto old_notes =
        std::count_if(programs.begin(), programs.end(), [&](const Elf64_Phdr &p) { return is_old_note(p); });
    const size_t count = programs.size() - static_cast<size_t>(old_notes) + 2 + hot_.segments.size() +
                         (unwind_draft.empty() || has(PT_GNU_EH_FRAME) ? 0 : 1);
    tables.programs = add(Bytes(count * sizeof(Elf64_Phdr)), 8);

    std::vector<ColdPatchRecord> records = read_cold_note(base_);
    records.push_back({hot_.lineage(), hot_.base_digest, cold_redirects()});
    tables.note = add(encode_cold_note(records), 4);

    tables.dynamic = TRY(extend_dynamic(base_, dynamic_, hot_, place_.patch));
    for (size_t i = 0; i < kDynamicTables; ++i)
      tables.dynamic_pieces[i] = add(tables.dynamic.content[i], facts_of(static_cast<DynamicTable>(i)).alignment);
    if (!unwind_draft.empty()) {
      out.pad_to(4);
      tables.unwind = add(TRY(build_unwind(place_.tables + out.size())), 4);
    }
    tables.content = std::move(out).take();
    return tables;
  }

  ByteView linked_eh_frame() const {
    const size_t index =
        static_cast<size_t>(segment_with_bytes(hot_, hot_.eh_frame, hot_.eh_frame_bytes) - hot_.segments.data());
    return ByteView(linked_[index].bytes).subspan(hot_.eh_frame - linked_[index].address, hot_.eh_frame_bytes);
  }

  Result<Bytes> build_unwind(LinkAddr at) const {
    if (hot_.eh_frame_bytes == 0) return Bytes{};
    return merge_unwind_index(base_, {place_.patch + hot_.eh_frame.value, linked_eh_frame()}, at);
  }

  void append_segments() {
    out_.reserve(expected_bytes());
    out_.assign(base_.bytes.begin(), base_.bytes.begin() + static_cast<ptrdiff_t>(kept_));
    out_.resize(place_.tables_offset.value);
    append(tables_.content);
    for (const HotSegment &segment : linked_) {
      segment_offset_.push_back(FileOffset(offset_behind(segment)));
      out_.resize(segment_offset_.back().value);
      append(segment.bytes);
    }
  }

  // About the size of the whole, so that a large file is not held twice while it grows.
  uint64_t expected_bytes() const {
    uint64_t bytes = place_.tables_offset.value + tables_.content.size() + (base_.bytes.size() - kept_) + kRoomForSections;
    for (const HotSegment &segment : linked_) bytes += segment.bytes.size() + kPageBytes;
    return bytes;
  }

  // The next offset that is congruent with the segment's address.
  uint64_t offset_behind(const HotSegment &segment) const {
    const uint64_t wanted = (place_.patch.value + segment.address.value) % kPageBytes;
    return out_.size() + (wanted + kPageBytes - out_.size() % kPageBytes) % kPageBytes;
  }

  Status write_redirects() {
    const Arch *arch = find_arch(base_.arch);
    if (arch == nullptr) return Error::refused(cat("no redirects for ", name_of(base_.arch)));
    for (const Redirect &redirect : hot_.redirects) {
      const LinkAddr target = place_.patch + redirect.target.value;
      const Bytes jump =
          TRY_WHILE(arch->encode_jump(redirect.site.value, target.value), cat("redirecting ", redirect.name));
      const Segment *segment = base_.segment_at(redirect.site);
      if (jump.size() > redirect.room_bytes || base_.at(redirect.site, jump.size()).size() != jump.size() ||
          !segment->executable)
        return Error::refused(cat(redirect.name, " has no room for a jump of ", jump.size(), " bytes"));
      std::copy(jump.begin(), jump.end(),
                out_.begin() + static_cast<ptrdiff_t>(segment->offset.value + (redirect.site - segment->address)));
    }
    return {};
  }

  Status write_initial_values() {
    for (const InitialValue &value : hot_.initial_values) {
      const ByteView before = base_.at(value.at, value.old_bytes.size());
      const Segment *segment = base_.segment_at(value.at);
      bool same = segment != nullptr && segment->writable && before.size() == value.old_bytes.size();
      for (size_t i = 0; same && i < before.size(); ++i) same = ((before[i] ^ value.old_bytes[i]) & value.mask[i]) == 0;
      if (!same) return Error::refused(cat("the file does not hold the old initial value of ", value.name, " at ", hex(value.at.value)));
      const size_t offset = segment->offset.value + (value.at - segment->address);
      for (size_t i = 0; i < before.size(); ++i)
        if (value.mask[i] != 0) out_[offset + i] = value.new_bytes[i];
    }
    return {};
  }

  Status update_dynamic() {
    const DynamicTables &dynamic = tables_.dynamic;
    for (size_t i = 0; i < kDynamicTables; ++i) {
      const auto table = static_cast<DynamicTable>(i);
      const Bytes &content = dynamic.of(table);
      if (content.empty()) continue;
      TRY(dynamic_.set(facts_of(table).tag, place_.tables.value + tables_.dynamic_pieces[i].offset, out_));
      if (table == DynamicTable::strings) TRY(dynamic_.set(DT_STRSZ, content.size(), out_));
      if (table == DynamicTable::needs) TRY(dynamic_.set(DT_VERNEEDNUM, dynamic.need_count, out_));
      if (table != DynamicTable::relocs) continue;
      TRY(dynamic_.set(DT_RELASZ, content.size(), out_));
      TRY(dynamic_.set(DT_RELAENT, sizeof(Elf64_Rela), out_));
      if (dynamic_.value(DT_RELACOUNT)) TRY(dynamic_.set(DT_RELACOUNT, dynamic.relative_count, out_));
    }
    for (const FileWord &edit : dynamic.edits) store(std::span<uint8_t>(out_), edit.offset, edit.value);
    return {};
  }

  // Behind the segments, not loaded; a base that has the section already keeps it to itself.
  void append_debug_frame() {
    const auto names = [&](const Elf64_Shdr &section) { return file_.section_name(section) == ".debug_frame"; };
    if (hot_.eh_frame_bytes == 0 || std::any_of(file_.sections().begin(), file_.sections().end(), names)) return;
    const Bytes content = to_debug_frame(linked_eh_frame(), place_.patch + hot_.eh_frame.value);
    out_.resize((out_.size() + 7) / 8 * 8);
    debug_frame_ = {out_.size(), content.size()};
    append(content);
  }

  Elf64_Phdr program_for(uint32_t type, const Piece &piece, uint64_t alignment) const {
    Elf64_Phdr program{};
    program.p_type = type;
    program.p_flags = PF_R;
    program.p_offset = place_.tables_offset.value + piece.offset;
    program.p_vaddr = program.p_paddr = place_.tables.value + piece.offset;
    program.p_filesz = program.p_memsz = piece.size_bytes;
    program.p_align = alignment;
    return program;
  }

  std::vector<Elf64_Phdr> new_loads() const {
    std::vector<Elf64_Phdr> loads{program_for(PT_LOAD, {0, tables_.content.size()}, kPageBytes)};
    for (size_t i = 0; i < linked_.size(); ++i) {
      const HotSegment &segment = linked_[i];
      Elf64_Phdr load{};
      load.p_type = PT_LOAD;
      load.p_flags = PF_R | (segment.writable ? PF_W : 0u) | (segment.executable ? PF_X : 0u);
      load.p_offset = segment_offset_[i].value;
      load.p_vaddr = load.p_paddr = place_.patch.value + segment.address.value;
      load.p_filesz = segment.bytes.size();
      load.p_memsz = segment.memory_bytes;
      load.p_align = kPageBytes;
      loads.push_back(load);
    }
    return loads;
  }

  void write_program_headers(Elf64_Ehdr &header) {
    std::vector<Elf64_Phdr> programs;
    bool unwind = tables_.unwind.size_bytes == 0;
    for (Elf64_Phdr program : file_.programs()) {
      if (is_old_note(program)) continue;
      if (program.p_type == PT_PHDR) program = program_for(PT_PHDR, tables_.programs, 8);
      if (program.p_type == PT_GNU_EH_FRAME && !unwind) {
        program = program_for(PT_GNU_EH_FRAME, tables_.unwind, 4);
        unwind = true;
      }
      programs.push_back(program);
    }
    if (!unwind) programs.push_back(program_for(PT_GNU_EH_FRAME, tables_.unwind, 4));
    programs.push_back(program_for(PT_NOTE, tables_.note, 4));
    // Loadable segments must ascend (gABI); ours are the highest.
    const auto last =
        std::find_if(programs.rbegin(), programs.rend(), [](const Elf64_Phdr &p) { return p.p_type == PT_LOAD; });
    const std::vector<Elf64_Phdr> loads = new_loads();
    programs.insert(last.base(), loads.begin(), loads.end());
    assert(programs.size() * sizeof(Elf64_Phdr) == tables_.programs.size_bytes);
    std::memcpy(out_.data() + place_.tables_offset.value + tables_.programs.offset, programs.data(),
                tables_.programs.size_bytes);
    header.e_phoff = place_.tables_offset.value + tables_.programs.offset;
    header.e_phnum = static_cast<uint16_t>(programs.size());
  }

  Elf64_Shdr section_for(const Piece &piece, uint32_t type, uint64_t alignment, uint64_t entry_bytes = 0) const {
    Elf64_Shdr header{};
    header.sh_type = type;
    header.sh_flags = SHF_ALLOC;
    header.sh_addr = place_.tables.value + piece.offset;
    header.sh_offset = place_.tables_offset.value + piece.offset;
    header.sh_size = piece.size_bytes;
    header.sh_addralign = alignment;
    header.sh_entsize = entry_bytes;
    return header;
  }

  // Where the patch's jumps will be, and what they will cover.
  std::vector<ColdRedirect> cold_redirects() const {
    std::vector<ColdRedirect> out;
    for (const Redirect &redirect : hot_.redirects) {
      ColdRedirect &cold = out.emplace_back();
      cold.site = redirect.site;
      const ByteView bytes = base_.at(redirect.site, cold.old_bytes.size());
      std::copy(bytes.begin(), bytes.end(), cold.old_bytes.begin());
      cold.new_code = {LinkAddr(place_.patch.value + redirect.target.value), redirect.new_size_bytes};
    }
    return out;
  }

  SectionChanges section_changes() const {
    SectionChanges changes;
    const BaseDynamic &before = base_dynamic_;
    for (size_t i = 0; i < kDynamicTables; ++i) {
      const auto table = static_cast<DynamicTable>(i);
      const DynamicTableFacts &facts = facts_of(table);
      if (tables_.dynamic.of(table).empty()) continue;
      MovedSection moved{facts.section, before.value(facts.tag).value_or(0),
                         section_for(tables_.dynamic_pieces[i], facts.sh_type, facts.alignment, facts.entry_bytes),
                         SHT_DYNSYM};
      if (table == DynamicTable::needs) {
        moved.header.sh_info = static_cast<uint32_t>(tables_.dynamic.need_count);
        moved.link_type = SHT_STRTAB;
      }
      changes.moved.push_back(moved);
    }
    if (tables_.unwind.size_bytes != 0) {
      uint64_t old_address = 0;
      for (const Elf64_Phdr &program : file_.programs())
        if (program.p_type == PT_GNU_EH_FRAME) old_address = program.p_vaddr;
      changes.moved.push_back({".eh_frame_hdr", old_address, section_for(tables_.unwind, SHT_PROGBITS, 4), 0});
    }
    // Programs that rewrite ELF files keep only what a section covers.
    changes.added.push_back({".phdrs.suture", section_for(tables_.programs, SHT_PROGBITS, 8)});
    changes.added.push_back({".note.suture", section_for(tables_.note, SHT_NOTE, 4)});
    for (const HotSection &section : hot_.sections) changes.added.push_back(added_section(section));
    if (debug_frame_.size_bytes != 0) {
      Elf64_Shdr header{};
      header.sh_type = SHT_PROGBITS;
      header.sh_offset = debug_frame_.offset;
      header.sh_size = debug_frame_.size_bytes;
      header.sh_addralign = 8;
      changes.added.push_back({".debug_frame", header});
    }
    for (const HotSymbol &symbol : hot_.symbols)
      changes.symbols.push_back(
          {symbol.name, place_.patch.value + symbol.address.value, symbol.size_bytes, symbol.function});
    return changes;
  }

  AddedSection added_section(const HotSection &section) const {
    AddedSection added{section.name + ".suture", {}};
    added.header.sh_type = section.no_bits ? SHT_NOBITS : SHT_PROGBITS;
    added.header.sh_flags = SHF_ALLOC | (section.writable ? SHF_WRITE : 0u) | (section.executable ? SHF_EXECINSTR : 0u);
    added.header.sh_addr = place_.patch.value + section.address.value;
    added.header.sh_size = section.size_bytes;
    added.header.sh_addralign = section.alignment;
    for (size_t i = 0; i < linked_.size(); ++i) {
      const uint64_t into = section.address.value - linked_[i].address.value;
      if (section.address < linked_[i].address || into > linked_[i].memory_bytes) continue;
      added.header.sh_offset = segment_offset_[i].value + into;
      if (section.no_bits && hot_.segments[i].bytes.empty() && !linked_[i].bytes.empty())
        added.header.sh_type = SHT_PROGBITS;
    }
    return added;
  }

  void append(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

  const Image &base_;
  const HotImage &hot_;
  const Elf64File &file_;
  BaseDynamic dynamic_;
  const BaseDynamic base_dynamic_ = dynamic_;  // as it was
  uint64_t kept_ = 0;
  Place place_;
  std::vector<HotSegment> linked_;
  std::vector<FileOffset> segment_offset_;
  Tables tables_;
  Piece debug_frame_;  // place in the file
  Bytes out_;
};

Result<Bytes> write_checked(const Image &base, const HotImage &hot) {
  TRY(check_hot_image(hot));
  if (hot.base_digest != base.digest)
    return Error::refused(
        cat("it is not the build the patch is for: build-id ", base.id.text(), " instead of ", hot.base_id.text()));
  if (hot.arch != base.arch || hot.base_fixed != base.fixed) return Error::corrupt("the hot image misstates its base");
  TRY(check_validations(base, hot));
  const Elf64File file = TRY(Elf64File::open(base.bytes));
  BaseDynamic dynamic = TRY(BaseDynamic::read(base));
  return ColdWriter(base, hot, file, std::move(dynamic)).write();
}

}  // namespace

Result<Bytes> write_cold_file(const Image &base, const HotImage &hot) {
  return TRY_WHILE(write_checked(base, hot), cat("adding patch ", hot.patch_id, " to ", base.path));
}

std::vector<std::string> cold_patches_of(const Image &image) {
  std::vector<std::string> ids;
  for (const ColdPatchRecord &record : read_cold_note(image)) ids.push_back(record.patch.id);
  return ids;
}

}  // namespace suture
