#include "diff/program.h"

#include <algorithm>
#include <cstring>

#include "base/cat.h"

namespace suture {

Access access_of(EdgeKind kind) {
  switch (kind) {
    case EdgeKind::abs64:
    case EdgeKind::abs32:
    case EdgeKind::abs32s:
    case EdgeKind::pc32:
    case EdgeKind::pc64: return Access::address;
    case EdgeKind::plt32: return Access::plt;
    case EdgeKind::got_pc32: return Access::got;
    case EdgeKind::tls_gd_pc32: return Access::tls_gd;
    case EdgeKind::tls_ld_pc32: return Access::tls_ld;
    case EdgeKind::tls_dtp_off32:
    case EdgeKind::tls_dtp_off64: return Access::tls_dtp;
    case EdgeKind::tls_ie_pc32: return Access::tls_ie;
    case EdgeKind::tls_tp_off32:
    case EdgeKind::tls_tp_off64: return Access::tls_tp;
    case EdgeKind::tls_desc_pc32: return Access::tls_desc;
    case EdgeKind::tls_desc_call: return Access::marker;
    default: return Access::unsupported;
  }
}

std::string_view name_of(Access access) {
  switch (access) {
    case Access::address: return "address";
    case Access::plt: return "PLT entry";
    case Access::got: return "GOT slot";
    case Access::tls_gd: return "general-dynamic TLS slot";
    case Access::tls_ld: return "local-dynamic TLS slot";
    case Access::tls_dtp: return "TLS block offset";
    case Access::tls_ie: return "initial-exec TLS slot";
    case Access::tls_tp: return "thread pointer offset";
    case Access::tls_desc: return "TLS descriptor";
    case Access::marker: return "mark";
    case Access::unsupported: break;
  }
  return "unsupported relocation";
}

bool is_pc_relative(EdgeKind kind) {
  switch (kind) {
    case EdgeKind::pc32:
    case EdgeKind::pc64:
    case EdgeKind::plt32:
    case EdgeKind::got_pc32:
    case EdgeKind::got_base_pc32:
    case EdgeKind::tls_gd_pc32:
    case EdgeKind::tls_ld_pc32:
    case EdgeKind::tls_ie_pc32:
    case EdgeKind::tls_desc_pc32: return true;
    default: return false;
  }
}

bool holds_items(const ObjectSection &section) {
  if (section.is_merged() || section.pooled) return true;
  return section.kind == ObjectSection::Kind::rodata && section.name == ".rodata";
}

namespace {

// Size of the string at the start of `bytes`, its end included: one character of zeros.
size_t string_bytes(ByteView bytes, uint64_t character_bytes) {
  if (character_bytes == 1) {
    const void *nul = std::memchr(bytes.data(), 0, bytes.size());
    return nul == nullptr ? bytes.size() : static_cast<size_t>(static_cast<const uint8_t *>(nul) - bytes.data()) + 1;
  }
  for (uint64_t at = 0; at + character_bytes <= bytes.size(); at += character_bytes) {
    const ByteView character = bytes.subspan(at, character_bytes);
    if (std::all_of(character.begin(), character.end(), [](uint8_t byte) { return byte == 0; })) return at + character_bytes;
  }
  return bytes.size();
}

}  // namespace

ByteView item_bytes(const ObjectSection &section, uint64_t offset) {
  if (offset >= section.bytes.size()) return {};
  const ByteView rest = ByteView(section.bytes).subspan(offset);
  if (section.kind == ObjectSection::Kind::strings) return rest.subspan(0, string_bytes(rest, std::max<uint64_t>(1, section.entry_bytes)));
  if (section.kind == ObjectSection::Kind::constants || section.pooled)
    return rest.subspan(0, std::min<size_t>(rest.size(), section.entry_bytes - offset % section.entry_bytes));
  return rest;
}

namespace {

// The linker's order between definitions of one global name.
int strength(const ObjectSymbol &symbol) {
  if (symbol.binding == ObjectSymbol::Binding::weak) return 0;
  return symbol.section == ObjectSymbol::kCommon ? 1 : 2;
}

}  // namespace

Program Program::make(std::vector<std::shared_ptr<const ObjectGraph>> objects) {
  Program program;
  program.objects_ = std::move(objects);
  program.by_section_.resize(program.objects_.size());
  program.intern("");  // index 0: what has no name, so that it is never taken for something that has one
  for (uint32_t o = 0; o < program.object_count(); ++o) {
    const ObjectGraph &graph = program.object(o);
    program.by_section_[o].resize(graph.sections.size());
    for (uint32_t s = 1; s < graph.symbols.size(); ++s) {
      const ObjectSymbol &symbol = graph.symbols[s];
      if (symbol.in_section() && symbol.kind != ObjectSymbol::Kind::section) program.by_section_[o][symbol.section].push_back(s);
      const bool ifunc = symbol.kind == ObjectSymbol::Kind::ifunc && symbol.in_section();
      // Local names are not unique.
      if (ifunc && symbol.local()) program.ifuncs_[program.local_ifuncs_[{o, s}] = program.intern(cat(symbol.name, " of ", graph.path))] = {o, s};
      if (symbol.local()) continue;
      const uint32_t name = program.intern(symbol.name);
      if (!symbol.defined()) continue;
      if (ifunc) program.ifuncs_[name] = {o, s};
      const auto [it, inserted] = program.definitions_.try_emplace(symbol.name, Definition{o, s});
      const ObjectSymbol &kept = program.object(it->second.object).symbols[it->second.symbol];
      if (!inserted && strength(symbol) > strength(kept)) it->second = {o, s};
    }
  }
  return program;
}

uint32_t Program::intern(const std::string &name) {
  const auto [it, inserted] = name_index_.try_emplace(name, static_cast<uint32_t>(names_.size()));
  if (inserted) names_.push_back(name);
  return it->second;
}

std::optional<Program::Definition> Program::ifunc(uint32_t name) const {
  const auto it = ifuncs_.find(name);
  if (it == ifuncs_.end()) return std::nullopt;
  return it->second;
}

std::optional<uint32_t> Program::name_index(const std::string &name) const {
  const auto it = name_index_.find(name);
  if (it == name_index_.end()) return std::nullopt;
  return it->second;
}

std::optional<Program::Definition> Program::definition(const std::string &name) const {
  const auto it = definitions_.find(name);
  if (it == definitions_.end()) return std::nullopt;
  return it->second;
}

std::optional<Program::DefinedAt> Program::defined_at(const std::string &name) const {
  const auto found = definition(name);
  if (!found) return std::nullopt;
  const ObjectSymbol &symbol = object(found->object).symbols[found->symbol];
  if (!symbol.in_section()) return std::nullopt;
  return DefinedAt{section_place(found->object, symbol.section), symbol.value};
}

Place Program::section_place(uint32_t object_index, uint32_t section_index) const {
  const Place own{Place::Kind::section, object_index, section_index, 0, 0};
  const ObjectGraph &graph = object(object_index);
  if (!graph.sections[section_index].in_group) return own;
  // A COMDAT section is kept once: the winner is where its first global symbol is defined.
  for (const uint32_t s : symbols_in(object_index, section_index)) {
    const ObjectSymbol &symbol = graph.symbols[s];
    if (symbol.local()) continue;
    const auto winner = definition(symbol.name);
    if (!winner) break;
    const ObjectSymbol &kept = object(winner->object).symbols[winner->symbol];
    if (kept.in_section() && kept.value == symbol.value) return {Place::Kind::section, winner->object, kept.section, 0, 0};
    break;
  }
  return own;
}

Place Program::symbol_place(uint32_t object_index, uint32_t symbol_index, int64_t &value) const {
  const ObjectSymbol *symbol = &object(object_index).symbols[symbol_index];
  value = 0;
  if (const auto local = local_ifuncs_.find({object_index, symbol_index}); local != local_ifuncs_.end())
    return {Place::Kind::named, 0, 0, 0, local->second};
  if (!symbol->local()) {
    if (const auto found = definition(symbol->name)) {
      object_index = found->object;
      symbol = &object(object_index).symbols[found->symbol];
    }
  }
  value = symbol->section == ObjectSymbol::kAbsolute && symbol->local() ? static_cast<int64_t>(symbol->value) : 0;
  if (!symbol->in_section() || (symbol->kind == ObjectSymbol::Kind::ifunc && !symbol->local()))
    return {Place::Kind::named, 0, 0, 0, name_index(symbol->name).value_or(0)};
  value = static_cast<int64_t>(symbol->value);
  return section_place(object_index, symbol->section);
}

namespace {

// Addresses count modulo 2^64: an object may hold any symbol value and any addend.
int64_t wrapping_sum(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
int64_t wrapping_difference(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

}  // namespace

Reference Program::reference(uint32_t object_index, const Edge &edge, uint32_t instruction_tail) const {
  Reference reference;
  reference.access = access_of(edge.kind);
  const ObjectSymbol &symbol = object(object_index).symbols[edge.symbol];
  // A local symbol has no PLT entry: a call to it is a reference to its address.
  if (reference.access == Access::plt && symbol.local()) reference.access = Access::address;
  int64_t value = 0;
  reference.place = symbol_place(object_index, edge.symbol, value);
  if (reference.place.kind == Place::Kind::named && ifunc(reference.place.name) && reference.access == Access::address) reference.access = Access::plt;
  // Stubs and slots belong to the symbol, not to the section that it is defined in.
  if (reference.access != Access::address && !symbol.local() && reference.place.kind != Place::Kind::named) {
    reference.place = {Place::Kind::named, 0, 0, 0, name_index(symbol.name).value_or(0)};
    value = 0;
  }
  // The slot of a local symbol is known by its section, which must then be its own.
  const bool slot = reference.access == Access::got || reference.access == Access::tls_gd || reference.access == Access::tls_ie ||
                    reference.access == Access::tls_desc;
  if (slot && value != 0) reference.access = Access::unsupported;
  reference.offset = wrapping_sum(wrapping_sum(value, edge.addend), is_pc_relative(edge.kind) ? int64_t{instruction_tail} : 0);
  if (reference.access == Access::tls_ld) {
    // One slot pair for the whole module, whatever the symbol.
    reference.place = {Place::Kind::named, 0, 0, 0, kModuleTls};
    reference.offset = wrapping_difference(reference.offset, value);
  }
  if (reference.place.kind != Place::Kind::section || reference.access != Access::address) return reference;
  if (reference.offset < 0 && symbol.kind == ObjectSymbol::Kind::section) return reference;
  if (!holds_items(section(reference.place))) return reference;
  // A symbol of its own tells which item is meant, also where the address is a place within or behind it: code may hold the
  // end of a string and count from there. Only the section's symbol leaves the offset to tell.
  const int64_t item = symbol.kind == ObjectSymbol::Kind::section ? reference.offset : value;
  reference.place.kind = Place::Kind::item;
  reference.place.item = static_cast<uint64_t>(item);
  reference.offset = wrapping_difference(reference.offset, item);
  return reference;
}

std::optional<Place> Program::section_of(const Place &place) const {
  if (place.kind == Place::Kind::section) return place;
  if (place.kind != Place::Kind::named || place.name == kModuleTls) return std::nullopt;
  const auto found = defined_at(name(place.name));
  return found ? std::optional(found->section) : std::nullopt;
}

const ObjectSymbol *Program::first_function(const Place &place) const {
  const ObjectGraph &graph = object(place.object);
  const ObjectSymbol *first = nullptr;
  for (const uint32_t s : symbols_in(place.object, place.section)) {
    const ObjectSymbol &symbol = graph.symbols[s];
    if (symbol.kind == ObjectSymbol::Kind::function && !symbol.name.empty() && (first == nullptr || symbol.value < first->value)) first = &symbol;
  }
  return first;
}

std::string Program::describe(const Place &place) const {
  if (place.kind == Place::Kind::named) return place.name < names_.size() ? names_[place.name] : "the module's TLS block";
  const ObjectGraph &graph = object(place.object);
  if (place.kind == Place::Kind::item) return cat(graph.sections[place.section].name, "+", place.item);
  for (const uint32_t s : symbols_in(place.object, place.section))
    if (graph.symbols[s].value == 0 && !graph.symbols[s].name.empty()) return graph.symbols[s].name;
  // Nops for tracers may stand before a function's entry.
  if (const ObjectSymbol *first = first_function(place)) return first->name;
  return graph.sections[place.section].name;
}

}  // namespace suture
