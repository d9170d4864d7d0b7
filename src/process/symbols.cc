#include "process/symbols.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/cat.h"

namespace suture {
namespace {

constexpr uint64_t kMaxDynamicBytes = 64 << 10;
constexpr uint64_t kMaxSymbolNameBytes = 4096;
constexpr uint32_t kMaxChain = 1u << 13;       // of one hash value: real tables have a handful
constexpr uint32_t kMaxNamedSlots = 1u << 17;  // of one module, each of which costs reads of its name
constexpr uint32_t kMaxVersions = 4096;
constexpr uint64_t kMaxRelocBytes = uint64_t{64} << 20;
constexpr uint16_t kVersionHidden = 0x8000;
constexpr uint16_t kVersionIndexMask = 0x7fff;

uint32_t gnu_hash(std::string_view name) {
  uint32_t h = 5381;
  for (const char c : name) h = h * 33 + static_cast<uint8_t>(c);
  return h;
}

uint32_t sysv_hash(std::string_view name) {
  uint32_t h = 0;
  for (const char c : name) {
    h = (h << 4) + static_cast<uint8_t>(c);
    h = (h ^ ((h & 0xf0000000) >> 24)) & 0x0fffffff;
  }
  return h;
}

struct Found {
  uint64_t value = 0;
  uint8_t type = 0;
};

// The dynamic tables of one module. Addresses in them are relocated by glibc in place, by others not: a value below the
// module's base is taken as a link address.
class DynamicTables {
 public:
  DynamicTables(const Process &process, const Module &module) : process_(process), module_(module) {}

  bool read() {
    if (!module_.dynamic || module_.dynamic->size_bytes > kMaxDynamicBytes) return false;
    const Result<Bytes> bytes = process_.read_bytes(module_.dynamic->begin, module_.dynamic->size_bytes);
    if (!bytes) return false;
    ByteReader reader(*bytes);
    while (reader.remaining() >= sizeof(Elf64_Dyn)) {
      const int64_t tag = reader.i64();
      const uint64_t value = reader.u64();
      if (tag == DT_NULL) break;
      tags_[tag] = value;
    }
    return tags_.contains(DT_SYMTAB) && tags_.contains(DT_STRTAB);
  }

  std::optional<Found> find(const SymbolQuery &query) const {
    return tags_.contains(DT_GNU_HASH) ? find_by_gnu_hash(query) : find_by_sysv_hash(query);
  }

  // Value of a bound GOT slot for the symbol; nullopt when this module has none.
  std::optional<uint64_t> bound_slot(const std::string &name, RunRange resolved_in) const {
    uint32_t named = 0;
    return slot_value(resolved_in, [&](uint32_t type, uint32_t symbol, int64_t addend) {
      const bool has_name = addend == 0 && (type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT);
      return has_name && named++ < kMaxNamedSlots && symbol_name(symbol) == name;
    });
  }

  // What the resolver at a link address of this module gave, where the module has a slot of its own for it. The loader
  // fills such slots at once, lazy binding or not (glibc, elf_machine_lazy_rel).
  std::optional<uint64_t> resolved_slot(uint64_t resolver, RunRange resolved_in) const {
    return slot_value(resolved_in, [&](uint32_t type, uint32_t, int64_t addend) {
      return type == R_X86_64_IRELATIVE && static_cast<uint64_t>(addend) == resolver;
    });
  }

 private:
  // Value of the first slot that a relocation which `wanted` takes fills, and that leads into `resolved_in`.
  template <typename Wanted>
  std::optional<uint64_t> slot_value(RunRange resolved_in, Wanted wanted) const {
    for (const auto &[table, size] : {std::pair{DT_JMPREL, DT_PLTRELSZ}, std::pair{DT_RELA, DT_RELASZ}}) {
      if (!tags_.contains(table) || !tags_.contains(size) || tags_.at(size) > kMaxRelocBytes) continue;
      const Result<Bytes> bytes = process_.read_bytes(address(table), tags_.at(size));
      if (!bytes) continue;
      ByteReader reader(*bytes);
      while (reader.remaining() >= sizeof(Elf64_Rela)) {
        const uint64_t at = reader.u64();
        const uint64_t info = reader.u64();
        const int64_t addend = reader.i64();
        if (!wanted(static_cast<uint32_t>(info), static_cast<uint32_t>(info >> 32), addend)) continue;
        const Result<uint64_t> value = process_.read_value<uint64_t>(module_.bias.to_run(LinkAddr(at)));
        // Not yet bound lazily, a slot leads into its own module's PLT.
        if (value && resolved_in.contains(RunAddr(*value))) return *value;
      }
    }
    return std::nullopt;
  }

  RunAddr address(int64_t tag) const {
    const uint64_t value = tags_.at(tag);
    return value < module_.base.value ? module_.bias.to_run(LinkAddr(value)) : RunAddr(value);
  }

  std::string text_at(uint64_t offset, uint64_t limit) const {
    Bytes bytes(static_cast<size_t>(limit));
    ReadPiece piece{address(DT_STRTAB) + offset, bytes};
    process_.read_many({&piece, 1});
    const ByteView got = ByteView(bytes).first(piece.read_bytes);
    const auto end = std::find(got.begin(), got.end(), uint8_t{0});
    return {got.begin(), end};
  }

  std::optional<Elf64_Sym> symbol(uint32_t index) const {
    const Result<Elf64_Sym> out =
        process_.read_value<Elf64_Sym>(address(DT_SYMTAB) + uint64_t{index} * sizeof(Elf64_Sym));
    return out ? std::optional<Elf64_Sym>(*out) : std::nullopt;
  }

  std::string symbol_name(uint32_t index) const {
    const std::optional<Elf64_Sym> entry = symbol(index);
    return entry ? text_at(entry->st_name, kMaxSymbolNameBytes) : std::string();
  }

  std::optional<Found> check(uint32_t index, const SymbolQuery &query) const {
    const std::optional<Elf64_Sym> entry = symbol(index);
    if (!entry || entry->st_shndx == SHN_UNDEF) return std::nullopt;
    const uint8_t binding = entry->st_info >> 4;
    if (binding != STB_GLOBAL && binding != STB_WEAK && binding != STB_GNU_UNIQUE) return std::nullopt;
    if (text_at(entry->st_name, query.name.size() + 1) != query.name) return std::nullopt;
    if (!version_matches(index, query.version)) return std::nullopt;
    return Found{entry->st_value, static_cast<uint8_t>(entry->st_info & 0xf)};
  }

  bool version_matches(uint32_t index, const std::string &wanted) const {
    if (!tags_.contains(DT_VERSYM)) return true;
    const Result<uint16_t> mark = process_.read_value<uint16_t>(address(DT_VERSYM) + uint64_t{index} * 2);
    if (!mark) return false;
    if (wanted.empty()) return (*mark & kVersionHidden) == 0;
    return version_name(*mark & kVersionIndexMask) == wanted;
  }

  std::string version_name(uint16_t wanted) const {
    if (!tags_.contains(DT_VERDEF)) return {};
    RunAddr at = address(DT_VERDEF);
    for (uint32_t i = 0; i < kMaxVersions; ++i) {
      const Result<Elf64_Verdef> def = process_.read_value<Elf64_Verdef>(at);
      if (!def) return {};
      if (def->vd_ndx == wanted) {
        const Result<Elf64_Verdaux> aux = process_.read_value<Elf64_Verdaux>(at + def->vd_aux);
        return aux ? text_at(aux->vda_name, kMaxSymbolNameBytes) : std::string();
      }
      if (def->vd_next == 0) return {};
      at = at + def->vd_next;
    }
    return {};
  }

  std::optional<Found> find_by_gnu_hash(const SymbolQuery &query) const {
    const RunAddr table = address(DT_GNU_HASH);
    const Result<std::array<uint32_t, 4>> header = process_.read_value<std::array<uint32_t, 4>>(table);
    if (!header) return std::nullopt;
    const auto [bucket_count, first_symbol, bloom_words, bloom_shift] = *header;
    if (bucket_count == 0 || bloom_words == 0) return std::nullopt;
    const uint32_t hash = gnu_hash(query.name);
    const RunAddr bloom = table + 16;
    const Result<uint64_t> word = process_.read_value<uint64_t>(bloom + uint64_t{(hash / 64) % bloom_words} * 8);
    const uint64_t bits = (uint64_t{1} << (hash % 64)) | (uint64_t{1} << ((hash >> (bloom_shift & 31)) % 64));
    if (!word || (*word & bits) != bits) return std::nullopt;
    const RunAddr buckets = bloom + uint64_t{bloom_words} * 8;
    const RunAddr chains = buckets + uint64_t{bucket_count} * 4;
    const Result<uint32_t> first = process_.read_value<uint32_t>(buckets + uint64_t{hash % bucket_count} * 4);
    if (!first || *first < first_symbol) return std::nullopt;
    for (uint32_t index = *first, steps = 0; steps < kMaxChain; ++index, ++steps) {
      const Result<uint32_t> entry = process_.read_value<uint32_t>(chains + uint64_t{index - first_symbol} * 4);
      if (!entry) return std::nullopt;
      if ((*entry | 1) == (hash | 1))
        if (const std::optional<Found> found = check(index, query)) return found;
      if (*entry & 1) return std::nullopt;
    }
    return std::nullopt;
  }

  // Old tables: bucket count, chain count, buckets, chains.
  std::optional<Found> find_by_sysv_hash(const SymbolQuery &query) const {
    if (!tags_.contains(DT_HASH)) return std::nullopt;
    const RunAddr table = address(DT_HASH);
    const Result<std::array<uint32_t, 2>> header = process_.read_value<std::array<uint32_t, 2>>(table);
    if (!header || (*header)[0] == 0) return std::nullopt;
    const auto [bucket_count, chain_count] = *header;
    const RunAddr buckets = table + 8;
    const RunAddr chains = buckets + uint64_t{bucket_count} * 4;
    Result<uint32_t> index =
        process_.read_value<uint32_t>(buckets + uint64_t{sysv_hash(query.name) % bucket_count} * 4);
    for (uint32_t steps = 0; index && *index != 0 && *index < chain_count && steps < kMaxChain; ++steps) {
      if (const std::optional<Found> found = check(*index, query)) return found;
      index = process_.read_value<uint32_t>(chains + uint64_t{*index} * 4);
    }
    return std::nullopt;
  }

  const Process &process_;
  const Module &module_;
  std::map<int64_t, uint64_t> tags_;
};

std::optional<RunAddr> bound_ifunc(const Process &process, const std::vector<Module> &modules, const Module &definer,
                                   const std::string &name) {
  for (const Module &module : modules) {
    DynamicTables tables(process, module);
    if (!tables.read()) continue;
    if (const std::optional<uint64_t> value = tables.bound_slot(name, definer.span)) return RunAddr(*value);
  }
  return std::nullopt;
}

std::vector<const Module *> search_order(const std::vector<Module> &modules, const std::optional<LoaderView> &loader) {
  std::vector<const Module *> out;
  if (loader)
    for (const RunAddr dynamic : loader->dynamic_sections)
      for (const Module &module : modules)
        if (module.dynamic && module.dynamic->begin == dynamic) out.push_back(&module);
  if (out.empty())
    for (const Module &module : modules) out.push_back(&module);
  return out;
}

}  // namespace

Result<std::optional<RunAddr>> find_symbol_in(const Process &process, const std::vector<Module> &modules,
                                              const Module &module, const SymbolQuery &query) {
  if (query.name.empty() || query.name.size() >= kMaxSymbolNameBytes)
    return Error::refused("a symbol name is empty or too long");
  DynamicTables tables(process, module);
  if (!tables.read()) return std::optional<RunAddr>();
  const std::optional<Found> found = tables.find(query);
  if (!found) return std::optional<RunAddr>();
  if (found->type == STT_TLS) return Error::refused(cat("symbol ", query.name, " is thread-local"));
  if (found->type != STT_GNU_IFUNC) return std::optional<RunAddr>(module.bias.to_run(LinkAddr(found->value)));
  if (const std::optional<uint64_t> own = tables.resolved_slot(found->value, module.span))
    return std::optional<RunAddr>(RunAddr(*own));
  const std::optional<RunAddr> bound = bound_ifunc(process, modules, module, query.name);
  if (!bound)
    return Error::refused(cat("symbol ", query.name, " is chosen at run time (IFUNC) and no module has it bound yet"));
  return std::optional<RunAddr>(*bound);
}

Result<std::optional<RunAddr>> find_symbol(const Process &process, const std::vector<Module> &modules,
                                           const std::optional<LoaderView> &loader, const SymbolQuery &query) {
  for (const Module *module : search_order(modules, loader)) {
    const std::optional<RunAddr> found = TRY(find_symbol_in(process, modules, *module, query));
    if (found) return found;
  }
  return std::optional<RunAddr>();
}

}  // namespace suture
