#include "elf/cold_dynamic.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/byte_writer.h"
#include "base/cat.h"
#include "elf/elf64.h"
#include "elf/hot_check.h"

namespace suture {

namespace {

constexpr uint64_t kMaxNeeds = 1 << 16;

template <typename T>
ByteView view_of(const T &object) {
  return {reinterpret_cast<const uint8_t *>(&object), sizeof object};
}

uint32_t elf_hash(std::string_view name) {
  uint32_t hash = 0;
  for (const char c : name) {
    hash = (hash << 4) + static_cast<uint8_t>(c);
    hash ^= (hash & 0xf0000000) >> 24;
    hash &= 0x0fffffff;
  }
  return hash;
}

// One library in .gnu.version_r with the versions needed of it.
struct Need {
  uint32_t file = 0;  // offsets in .dynstr
  std::string file_name;
  std::vector<Elf64_Vernaux> versions;
};

// Collects what one patch adds and writes the grown tables.
class Extension {
 public:
  Extension(const Image &base, const BaseDynamic &dynamic, const HotImage &hot, LinkAddr patch)
      : base_(base), dynamic_(dynamic), hot_(hot), patch_(patch) {}

  Result<DynamicTables> run() {
    TRY(check_fields());
    TRY(read_strings_and_needs());
    TRY(bind_imports());
    if (!new_symbols_.empty()) {
      place_new_symbols();
      write_symbols();
      TRY(write_gnu_hash());
      TRY(write_hash());
      TRY(renumber_plt());
      if (new_versions_) write_needs();
      if (out_.of(DynamicTable::strings).size() == base_strings_) out_.of(DynamicTable::strings).clear();
    } else {
      out_.of(DynamicTable::strings).clear();
    }
    if (needs_relocs()) TRY(write_relocs());
    return std::move(out_);
  }

 private:
  bool absolute(const Fixup &fixup) const {
    return fixup.kind == Fixup::Kind::base_abs64 || fixup.kind == Fixup::Kind::self_abs64;
  }
  // A pointer that only the loader can know.
  bool loaded(const Fixup &fixup) const {
    return fixup.kind == Fixup::Kind::import_abs64 || (absolute(fixup) && !base_.fixed);
  }
  bool needs_relocs() const {
    return std::any_of(hot_.fixups.begin(), hot_.fixups.end(),
                       [&](const Fixup &f) { return loaded(f) && !is_absent(f); });
  }
  // A weak import of a file that nothing can be imported into: its address is 0 for good.
  bool is_absent(const Fixup &fixup) const {
    return fixup.kind == Fixup::Kind::import_abs64 && symbol_of_import_[fixup.import] == kAbsent;
  }

  Status check_fields() const {
    for (const Fixup &fixup : hot_.fixups) {
      if (!loaded(fixup)) continue;
      const HotSegment *segment = segment_with_bytes(hot_, fixup.at, fixup_bytes(fixup.kind));
      // The loader would have to make code writable (DT_TEXTREL), which hardened systems forbid.
      if (segment == nullptr || !segment->writable)
        return Error::refused(cat("the patch has a pointer in read-only memory, at ", hex(fixup.at.value),
                                  ", which no coldpatch can hold"));
      if (!dynamic_.present() && absolute(fixup)) return Error::refused("the file moves but has no dynamic section");
    }
    return {};
  }

  uint64_t address(int64_t tag) const { return dynamic_.value(tag).value_or(0); }

  Status read_strings_and_needs() {
    const ByteView strings = base_.at(LinkAddr(address(DT_STRTAB)), address(DT_STRSZ));
    base_strings_ = strings.size();
    out_.of(DynamicTable::strings).assign(strings.begin(), strings.end());
    uint64_t at = address(DT_VERNEED);
    for (uint64_t i = 0; i < std::min(address(DT_VERNEEDNUM), kMaxNeeds) && at != 0; ++i) {
      Elf64_Verneed raw{};
      if (!read_record(base_.at(LinkAddr(at), sizeof raw), 0, raw)) return Error::corrupt("malformed DT_VERNEED");
      Need need{raw.vn_file, std::string(Elf64File::string_at(strings, raw.vn_file)), {}};
      uint64_t aux_at = at + raw.vn_aux;
      for (unsigned j = 0; j < raw.vn_cnt; ++j) {
        Elf64_Vernaux aux{};
        if (!read_record(base_.at(LinkAddr(aux_at), sizeof aux), 0, aux)) return Error::corrupt("malformed DT_VERNEED");
        note_version(std::string(Elf64File::string_at(strings, aux.vna_name)), aux.vna_other & 0x7fff);
        need.versions.push_back(aux);
        aux_at += aux.vna_next;
      }
      needs_.push_back(std::move(need));
      at = raw.vn_next == 0 ? 0 : at + raw.vn_next;
    }
    return note_defined_versions();
  }

  void note_version(std::string name, uint16_t index) {
    next_version_ = std::max<uint16_t>(next_version_, static_cast<uint16_t>(index + 1));
    version_index_.emplace(std::move(name), index);
  }

  // Only their numbers matter: those of needed versions must not collide with them.
  Status note_defined_versions() {
    uint64_t at = address(DT_VERDEF);
    for (uint64_t i = 0; i < std::min(address(DT_VERDEFNUM), kMaxNeeds) && at != 0; ++i) {
      Elf64_Verdef raw{};
      if (!read_record(base_.at(LinkAddr(at), sizeof raw), 0, raw)) return Error::corrupt("malformed DT_VERDEF");
      next_version_ = std::max<uint16_t>(next_version_, static_cast<uint16_t>((raw.vd_ndx & 0x7fff) + 1));
      at = raw.vd_next == 0 ? 0 : at + raw.vd_next;
    }
    return {};
  }

  Status bind_imports() {
    for (const Import &import : hot_.imports) symbol_of_import_.push_back(TRY(bind(import)));
    return {};
  }

  // An index of the base's table, or kNewSymbol + index of new_symbols_.
  Result<uint32_t> bind(const Import &import) {
    const bool bindable = dynamic_.present() && dynamic_.value(DT_SYMTAB) && !base_.needed.empty();
    for (uint32_t i = 1; i < base_.dynamic_symbols.size(); ++i) {
      const ImageSymbol &symbol = base_.dynamic_symbols[i];
      if (symbol.name == import.name && symbol.global && !symbol.hidden &&
          (import.version.empty() || symbol.version == import.version))
        return i;
    }
    if (!bindable) {
      if (import.weak) return kAbsent;
      return Error::refused(
          cat("the patch imports ", import.name, ", but the file is linked with no library to import it from"));
    }
    Elf64_Sym symbol{};
    symbol.st_name = add_string(import.name);
    symbol.st_info = static_cast<uint8_t>(ELF64_ST_INFO(import.weak ? STB_WEAK : STB_GLOBAL, STT_NOTYPE));
    new_symbols_.push_back(symbol);
    new_symbol_versions_.push_back(import.version.empty() ? uint16_t{VER_NDX_GLOBAL} : TRY(version_of(import)));
    return kNewSymbol + static_cast<uint32_t>(new_symbols_.size() - 1);
  }

  Result<uint16_t> version_of(const Import &import) {
    if (const auto known = version_index_.find(import.version); known != version_index_.end()) return known->second;
    if (needs_.empty()) {
      const std::string &library = base_.needed.front();
      needs_.push_back({add_string(library), library, {}});
    }
    if (next_version_ >= 0x7fff) return Error::refused("the file needs too many symbol versions");
    // The loader looks a version up by name in whatever library defines the symbol; the library named here only serves
    // its check at start, which a weak entry does not fail. So naming the likeliest library is enough.
    Elf64_Vernaux aux{};
    aux.vna_hash = elf_hash(import.version);
    aux.vna_flags = VER_FLG_WEAK;
    aux.vna_other = next_version_;
    aux.vna_name = add_string(import.version);
    likely_need(import.version).versions.push_back(aux);
    new_versions_ = true;
    note_version(import.version, next_version_);
    return static_cast<uint16_t>(next_version_ - 1);
  }

  Need &likely_need(std::string_view version) {
    const std::string_view family = version.substr(0, version.find_last_of('_') + 1);
    Need *found = &needs_.front();
    for (Need &need : needs_) {
      const bool related = std::any_of(need.versions.begin(), need.versions.end(), [&](const Elf64_Vernaux &aux) {
        return Elf64File::string_at(out_.of(DynamicTable::strings), aux.vna_name).starts_with(family);
      });
      if (related && need.file_name.starts_with("libc.so")) return need;
      if (related) found = &need;
    }
    return *found;
  }

  uint32_t add_string(std::string_view text) {
    Bytes &strings = out_.of(DynamicTable::strings);
    if (strings.empty()) strings.push_back(0);
    const uint32_t at = static_cast<uint32_t>(strings.size());
    strings.insert(strings.end(), text.begin(), text.end());
    strings.push_back(0);
    return at;
  }

  // DT_GNU_HASH covers all symbols from its first on, so undefined ones go before it and the rest moves up.
  void place_new_symbols() {
    insert_at_ = static_cast<uint32_t>(base_.dynamic_symbols.size());
    const ByteView header = base_.at(LinkAddr(address(DT_GNU_HASH)), 16);
    if (header.size() == 16 && !gnu_hash_is_empty()) insert_at_ = std::min(insert_at_, load<uint32_t>(header, 4));
  }

  bool gnu_hash_is_empty() const {
    const ByteView header = base_.at(LinkAddr(address(DT_GNU_HASH)), 16);
    if (header.size() < 16) return true;
    const uint64_t buckets_at = address(DT_GNU_HASH) + 16 + uint64_t{load<uint32_t>(header, 8)} * 8;
    const ByteView buckets = base_.at(LinkAddr(buckets_at), uint64_t{load<uint32_t>(header, 0)} * 4);
    return std::all_of(buckets.begin(), buckets.end(), [](uint8_t byte) { return byte == 0; });
  }

  uint32_t added() const { return static_cast<uint32_t>(new_symbols_.size()); }
  uint32_t renumbered(uint32_t symbol) const { return symbol >= insert_at_ ? symbol + added() : symbol; }
  uint32_t final_symbol(uint32_t bound) const {
    return bound >= kNewSymbol ? insert_at_ + (bound - kNewSymbol) : renumbered(bound);
  }

  void write_symbols() {
    const size_t count = base_.dynamic_symbols.size();
    const ByteView old = base_.at(LinkAddr(address(DT_SYMTAB)), count * sizeof(Elf64_Sym));
    const size_t split = insert_at_ * sizeof(Elf64_Sym);
    ByteWriter symbols;
    symbols.append(old.first(split));
    for (const Elf64_Sym &symbol : new_symbols_) symbols.append(view_of(symbol));
    symbols.append(old.subspan(split));
    out_.of(DynamicTable::symbols) = std::move(symbols).take();

    if (!dynamic_.value(DT_VERSYM) && !new_versions_) return;
    ByteWriter versions;
    const ByteView old_versions = base_.at(LinkAddr(address(DT_VERSYM)), count * 2);
    for (uint32_t i = 0; i <= count; ++i) {
      if (i == insert_at_)
        for (const uint16_t version : new_symbol_versions_) versions.u16(version);
      if (i == count) break;
      const uint16_t unversioned = i == 0 ? VER_NDX_LOCAL : VER_NDX_GLOBAL;
      versions.u16(old_versions.size() == count * 2 ? load<uint16_t>(old_versions, i * 2) : unversioned);
    }
    out_.of(DynamicTable::versions) = std::move(versions).take();
  }

  Status write_gnu_hash() {
    if (!dynamic_.value(DT_GNU_HASH)) return {};
    const ByteView header = base_.at(LinkAddr(address(DT_GNU_HASH)), 16);
    if (header.size() < 16) return Error::corrupt("malformed DT_GNU_HASH");
    const uint64_t bucket_count = load<uint32_t>(header, 0);
    const uint64_t first = load<uint32_t>(header, 4);
    const uint64_t count = base_.dynamic_symbols.size();
    const uint64_t buckets_at = 16 + uint64_t{load<uint32_t>(header, 8)} * 8;
    const bool empty = gnu_hash_is_empty();
    const uint64_t chain_bytes = empty || first > count ? 0 : (count - first) * 4;
    const uint64_t size_bytes = buckets_at + bucket_count * 4 + chain_bytes;
    const ByteView old = base_.at(LinkAddr(address(DT_GNU_HASH)), size_bytes);
    if (old.size() != size_bytes) return Error::corrupt("malformed DT_GNU_HASH");
    Bytes table(old.begin(), old.end());
    // With nothing hashed, "first symbol = number of symbols" says the same and lets readers count the symbols.
    store<uint32_t>(table, 4, static_cast<uint32_t>((empty ? count : first) + added()));
    for (uint64_t i = 0; i < bucket_count; ++i) {
      const uint32_t symbol = load<uint32_t>(table, buckets_at + i * 4);
      if (symbol != 0) store<uint32_t>(table, buckets_at + i * 4, symbol + added());
    }
    out_.of(DynamicTable::gnu_hash) = std::move(table);
    return {};
  }

  // The new symbols are undefined and need not be found, only counted.
  Status write_hash() {
    if (!dynamic_.value(DT_HASH)) return {};
    const ByteView header = base_.at(LinkAddr(address(DT_HASH)), 8);
    if (header.size() < 8) return Error::corrupt("malformed DT_HASH");
    const uint64_t bucket_count = load<uint32_t>(header, 0);
    const uint64_t chain_count = load<uint32_t>(header, 4);
    const ByteView old = base_.at(LinkAddr(address(DT_HASH) + 8), (bucket_count + chain_count) * 4);
    if (old.size() != (bucket_count + chain_count) * 4 || chain_count < insert_at_)
      return Error::corrupt("malformed DT_HASH");
    ByteWriter table;
    table.u32(static_cast<uint32_t>(bucket_count));
    table.u32(static_cast<uint32_t>(chain_count + added()));
    for (uint64_t i = 0; i <= bucket_count + chain_count; ++i) {
      if (i == bucket_count + insert_at_) table.zeros(added() * size_t{4});
      if (i < bucket_count + chain_count) table.u32(renumbered(load<uint32_t>(old, i * 4)));
    }
    out_.of(DynamicTable::hash) = std::move(table).take();
    return {};
  }

  Status renumber_plt() {
    if (insert_at_ >= base_.dynamic_symbols.size() || !dynamic_.value(DT_JMPREL)) return {};
    const LinkAddr at(address(DT_JMPREL));
    const Segment *segment = base_.segment_at(at);
    const ByteView table = base_.at(at, address(DT_PLTRELSZ));
    if (segment == nullptr || table.size() != address(DT_PLTRELSZ)) return Error::corrupt("malformed DT_JMPREL");
    const uint64_t offset = segment->offset.value + (at - segment->address);
    Elf64_Rela raw{};
    for (uint64_t i = 0; read_record(table, i, raw); i += sizeof raw) {
      const uint32_t symbol = static_cast<uint32_t>(ELF64_R_SYM(raw.r_info));
      if (symbol >= insert_at_)
        out_.edits.push_back({offset + i + offsetof(Elf64_Rela, r_info),
                              ELF64_R_INFO(uint64_t{renumbered(symbol)}, ELF64_R_TYPE(raw.r_info))});
    }
    return {};
  }

  void write_needs() {
    ByteWriter table;
    for (size_t i = 0; i < needs_.size(); ++i) {
      const Need &need = needs_[i];
      Elf64_Verneed raw{};
      raw.vn_version = VER_NEED_CURRENT;
      raw.vn_cnt = static_cast<uint16_t>(need.versions.size());
      raw.vn_file = need.file;
      raw.vn_aux = sizeof raw;
      const size_t size_bytes = sizeof raw + need.versions.size() * sizeof(Elf64_Vernaux);
      raw.vn_next = i + 1 == needs_.size() ? 0 : static_cast<uint32_t>(size_bytes);
      table.append(view_of(raw));
      for (size_t j = 0; j < need.versions.size(); ++j) {
        Elf64_Vernaux aux = need.versions[j];
        aux.vna_next = j + 1 == need.versions.size() ? 0 : sizeof aux;
        table.append(view_of(aux));
      }
    }
    out_.of(DynamicTable::needs) = std::move(table).take();
    out_.need_count = needs_.size();
  }

  // DT_RELA may count the PLT's relocations in at its end; those keep their own table.
  ByteView old_relocs() const {
    uint64_t size_bytes = address(DT_RELASZ);
    const uint64_t begin = address(DT_RELA);
    const uint64_t plt = address(DT_JMPREL);
    if (plt >= begin && plt < begin + size_bytes && plt + address(DT_PLTRELSZ) == begin + size_bytes)
      size_bytes = plt - begin;
    return base_.at(LinkAddr(begin), size_bytes);
  }

  Elf64_Rela reloc_for(const Fixup &fixup, uint64_t field) const {
    Elf64_Rela reloc{};
    reloc.r_offset = patch_.value + fixup.at.value;
    if (fixup.kind == Fixup::Kind::import_abs64) {
      reloc.r_info = ELF64_R_INFO(uint64_t{final_symbol(symbol_of_import_[fixup.import])}, uint64_t{R_X86_64_64});
      reloc.r_addend = static_cast<int64_t>(field);
    } else {
      reloc.r_info = ELF64_R_INFO(uint64_t{0}, uint64_t{R_X86_64_RELATIVE});
      reloc.r_addend = static_cast<int64_t>(field + (fixup.kind == Fixup::Kind::self_abs64 ? patch_.value : 0));
    }
    return reloc;
  }

  // The loader handles the first DT_RELACOUNT entries as relative ones without looking, so new relative ones go right
  // behind the old, and everything else behind all old ones.
  Status write_relocs() {
    const ByteView old = old_relocs();
    if (address(DT_RELASZ) != 0 && old.empty() && address(DT_JMPREL) != address(DT_RELA))
      return Error::corrupt("malformed DT_RELA");
    ByteWriter relative;
    ByteWriter symbolic;
    for (const Fixup &fixup : hot_.fixups) {
      if (!loaded(fixup) || is_absent(fixup)) continue;
      const HotSegment *segment = segment_with_bytes(hot_, fixup.at, 8);
      const uint64_t field = load<uint64_t>(segment->bytes, fixup.at - segment->address);
      (absolute(fixup) ? relative : symbolic).append(view_of(reloc_for(fixup, field)));
    }
    const uint64_t old_relative = address(DT_RELACOUNT);
    const size_t split = static_cast<size_t>(std::min<uint64_t>(old_relative * sizeof(Elf64_Rela), old.size()));
    ByteWriter table;
    table.append(old.first(split));
    table.append(relative.bytes());
    Elf64_Rela raw{};
    for (size_t at = split; read_record(old, at, raw); at += sizeof raw) {
      const uint32_t symbol = renumbered(static_cast<uint32_t>(ELF64_R_SYM(raw.r_info)));
      raw.r_info = ELF64_R_INFO(uint64_t{symbol}, ELF64_R_TYPE(raw.r_info));
      table.append(view_of(raw));
    }
    table.append(symbolic.bytes());
    out_.relative_count = split / sizeof(Elf64_Rela) + relative.size() / sizeof(Elf64_Rela);
    out_.of(DynamicTable::relocs) = std::move(table).take();
    return {};
  }

  static constexpr uint32_t kNewSymbol = 1u << 31;
  static constexpr uint32_t kAbsent = UINT32_MAX;

  const Image &base_;
  const BaseDynamic &dynamic_;
  const HotImage &hot_;
  const LinkAddr patch_;
  DynamicTables out_;
  size_t base_strings_ = 0;
  std::vector<Need> needs_;
  std::map<std::string, uint16_t> version_index_;
  uint16_t next_version_ = VER_NDX_GLOBAL + 1;
  bool new_versions_ = false;
  std::vector<Elf64_Sym> new_symbols_;
  std::vector<uint16_t> new_symbol_versions_;
  std::vector<uint32_t> symbol_of_import_;
  uint32_t insert_at_ = 0;
};

}  // namespace

const DynamicTableFacts &facts_of(DynamicTable table) {
  static constexpr DynamicTableFacts kFacts[kDynamicTables] = {
      {DT_SYMTAB, SHT_DYNSYM, 8, sizeof(Elf64_Sym), ".dynsym"}, {DT_STRTAB, SHT_STRTAB, 1, 0, ".dynstr"},
      {DT_VERSYM, SHT_GNU_versym, 2, 2, ".gnu.version"},        {DT_VERNEED, SHT_GNU_verneed, 8, 0, ".gnu.version_r"},
      {DT_GNU_HASH, SHT_GNU_HASH, 8, 0, ".gnu.hash"},           {DT_HASH, SHT_HASH, 8, 4, ".hash"},
      {DT_RELA, SHT_RELA, 8, sizeof(Elf64_Rela), ".rela.dyn"},
  };
  return kFacts[static_cast<size_t>(table)];
}

Result<BaseDynamic> BaseDynamic::read(const Image &image) {
  constexpr size_t kMaxEntries = 4096;
  BaseDynamic dynamic;
  const Elf64File file = TRY(Elf64File::open(image.bytes));
  for (const Elf64_Phdr &program : file.programs()) {
    if (program.p_type != PT_DYNAMIC) continue;
    const LinkAddr at(program.p_vaddr);
    const Segment *segment = image.segment_at(at);
    const ByteView table = image.at(at, program.p_filesz);
    if (segment == nullptr || table.size() != program.p_filesz)
      return Error::corrupt("the dynamic section is not loaded");
    dynamic.file_offset_ = segment->offset.value + (at - segment->address);
    Elf64_Dyn entry{};
    for (size_t i = 0; i < kMaxEntries && read_record(table, i * sizeof entry, entry); ++i)
      dynamic.entries_.push_back(entry);
    while (dynamic.used_ < dynamic.entries_.size() && dynamic.entries_[dynamic.used_].d_tag != DT_NULL) ++dynamic.used_;
  }
  return dynamic;
}

std::optional<uint64_t> BaseDynamic::value(int64_t tag) const {
  for (size_t i = 0; i < used_; ++i)
    if (entries_[i].d_tag == tag) return entries_[i].d_un.d_val;
  return std::nullopt;
}

Status BaseDynamic::set(int64_t tag, uint64_t value, Bytes &file) {
  size_t at = 0;
  while (at < used_ && entries_[at].d_tag != tag) ++at;
  if (at == used_) {
    if (used_ + 1 >= entries_.size())  // the last entry must stay DT_NULL
      return Error::refused("the file's dynamic section has no spare entry for what the patch needs");
    ++used_;
  }
  entries_[at].d_tag = tag;
  entries_[at].d_un.d_val = value;
  store(std::span<uint8_t>(file), file_offset_ + at * sizeof(Elf64_Dyn), entries_[at]);
  return {};
}

Result<DynamicTables> extend_dynamic(const Image &base, const BaseDynamic &dynamic, const HotImage &hot,
                                     LinkAddr patch) {
  return Extension(base, dynamic, hot, patch).run();
}

}  // namespace suture
