#include "diff/binder.h"

#include <algorithm>

#include "base/cat.h"
#include "base/refusals.h"
#include "diff/bind_tls.h"
#include "diff/names.h"
#include "model/eh_frame.h"

namespace suture {

namespace {

using Kind = ObjectSection::Kind;

PatchPiece::Kind piece_kind(const ObjectSection &section) {
  switch (section.kind) {
    case Kind::code: return PatchPiece::Kind::code;
    case Kind::bss: return PatchPiece::Kind::bss;
    case Kind::data: return PatchPiece::Kind::data;
    default: return section.name.starts_with(".gcc_except_table") ? PatchPiece::Kind::lsda : PatchPiece::Kind::rodata;
  }
}

bool is_tls(Access access) {
  return access == Access::tls_gd || access == Access::tls_ld || access == Access::tls_dtp || access == Access::tls_ie || access == Access::tls_tp ||
         access == Access::tls_desc;
}

}  // namespace

bool Binder::Use::wants_slot() const { return edge->kind == EdgeKind::got_pc32; }

Binder::Binder(const DiffInput &input) : in_(input), base_items_(*input.pre, *input.solution, *input.image) {
  for (const DynamicReloc &reloc : input.image->relocs)
    if (reloc.symbol != 0) relocs_by_name_.emplace(input.image->dynamic_symbols[reloc.symbol].name, &reloc);
  for (const PltEntry &entry : input.image->plt) stub_of_slot_.emplace(entry.slot.value, entry.stub.value);
}

void Binder::replace(const Place &post, LinkAddr old_entry) {
  replaced_[post] = old_entry;
  (void)carry(post);
}

std::optional<uint32_t> Binder::piece_of(const Place &post) const {
  const auto it = pieces_.find(post);
  if (it == pieces_.end()) return std::nullopt;
  return it->second;
}

std::vector<Place> Binder::carried_functions() const {
  std::vector<Place> places;
  for (const auto &[place, piece] : pieces_)
    if (place.kind == Place::Kind::section && out_.pieces[piece].kind == PatchPiece::Kind::code) places.push_back(place);
  return places;
}

uint32_t Binder::add_piece(PatchPiece piece) {
  out_.pieces.push_back(std::move(piece));
  return static_cast<uint32_t>(out_.pieces.size() - 1);
}

uint32_t Binder::carry(const Place &place) {
  if (const auto known = piece_of(place)) return *known;
  const Program &post = in_.post->program();
  const ObjectSection &section = post.section(place);
  PatchPiece piece;
  piece.name = post.describe(place);
  piece.kind = piece_kind(section);
  piece.alignment = section.alignment;
  piece.bytes = section.bytes;
  piece.size_bytes = section.size_bytes;
  for (const uint32_t s : post.symbols_in(place.object, place.section)) {
    const ObjectSymbol &symbol = post.object(place.object).symbols[s];
    piece.is_function |= symbol.kind == ObjectSymbol::Kind::function;
    piece.global |= !symbol.local();
  }
  const uint32_t index = add_piece(std::move(piece));
  pieces_[place] = index;
  sources_[index] = {place, false};
  queue_.push_back(index);
  return index;
}

Status Binder::bind_all() {
  Refusals refusals;
  while (!queue_.empty()) {
    const uint32_t piece = queue_.front();
    queue_.pop_front();
    Status bound = bind_piece(piece);
    if (!bound) bound = std::move(bound).error().during(cat("binding ", out_.pieces[piece].name, " of ", in_.post->program().object(sources_[piece].first.object).path));
    TRY(refusals.keep(std::move(bound)));
  }
  return refusals.all();
}

Status Binder::bind_piece(uint32_t piece) {
  const auto [place, item] = sources_[piece];
  const ObjectSection &section = in_.post->program().section(place);
  const uint64_t begin = item ? place.item : 0;
  const uint64_t end = begin + out_.pieces[piece].size_bytes;
  std::vector<PatchEdge> edges;
  uint64_t bound_to = begin;
  for (uint32_t e = 0; e < section.edges.size(); ++e) {
    if (section.edges[e].offset < bound_to || section.edges[e].offset >= end) continue;
    Bytes contents = std::move(out_.pieces[piece].bytes);  // binding adds pieces, so no reference into them may be held
    const bool in_block = section.kind == Kind::code && reaches_new_thread_variable(place.object, place.section, e);
    if (in_block || (section.kind == Kind::code && reaches_tls_by_code(section.edges[e].kind))) {
      const TlsSite site{place.object, place.section, e, contents};
      auto tls = TRY_WHILE(in_block ? bind_in_thread_block(site) : bind_tls(site), cat("resolving its reference at byte ", section.edges[e].offset));
      out_.pieces[piece].bytes = std::move(contents);
      edges.insert(edges.end(), tls.edges.begin(), tls.edges.end());
      bound_to = std::max(bound_to, tls.end);
      continue;
    }
    if (const auto far = section.kind == Kind::code ? far_name(place.object, place.section, e) : std::nullopt) {
      auto led = TRY_WHILE(bind_far({piece, place.object, place.section, e, contents, *far}), cat("resolving its reference at byte ", section.edges[e].offset));
      out_.pieces[piece].bytes = std::move(contents);
      edges.insert(edges.end(), led.begin(), led.end());
      continue;
    }
    auto bound = bind_edge(place.object, place.section, e, item ? std::span<uint8_t>{} : std::span<uint8_t>(contents));
    out_.pieces[piece].bytes = std::move(contents);
    PatchEdge edge = TRY(std::move(bound));
    edge.offset -= begin;
    edges.push_back(edge);
  }
  out_.pieces[piece].edges = std::move(edges);
  return {};
}

Result<PatchEdge> Binder::bind_edge(uint32_t object, uint32_t section_index, uint32_t index, std::span<uint8_t> contents) {
  const ObjectSection &section = in_.post->program().object(object).sections[section_index];
  const Edge &edge = section.edges[index];
  Reference reference = in_.post->reference(object, section_index, index);
  // In a program the linker counts such offsets from the thread pointer.
  if (reference.access == Access::tls_dtp && in_.image->has_first_tls_block()) reference.access = Access::tls_tp;
  Use use;
  use.edge = &edge;
  uint32_t tail = 0;
  std::span<uint8_t> instruction;
  if (section.kind == Kind::code) {
    const std::shared_ptr<const Code> decoded = in_.post->code(object, section_index);
    const Code &code = *decoded;
    if (!code.complete) return Error::refused("its code cannot be decoded");
    tail = code.edge_tail[index];
    const auto holder = std::upper_bound(code.instructions.begin(), code.instructions.end(), edge.offset,
                                         [](uint64_t value, const CodeInstruction &entry) { return value < entry.at; });
    const CodeInstruction &insn = *std::prev(holder);
    if (insn.end() <= contents.size()) instruction = contents.subspan(insn.at, insn.insn.size_bytes);
    Bytes trial(instruction.begin(), instruction.end());
    use.may_be_direct = use.wants_slot() && in_.post->arch().make_direct(trial);
    const Instruction::Flow flow = insn.insn.flow;
    use.is_call = flow == Instruction::Flow::call || flow == Instruction::Flow::jump || flow == Instruction::Flow::branch;
  }
  return bind_to(reference, use, tail, instruction);
}

Result<PatchEdge> Binder::bind_personality(uint32_t object, uint32_t section_index, uint32_t index) {
  Use use;
  use.edge = &in_.post->program().object(object).sections[section_index].edges[index];
  use.is_call = true;
  return bind_to(in_.post->reference(object, section_index, index), use, 0, {});
}

Result<PatchEdge> Binder::bind_to(const Reference &reference, const Use &use, uint32_t tail, std::span<uint8_t> instruction) {
  const Edge &edge = *use.edge;
  const Target target = TRY_WHILE(resolve(reference, use), cat("resolving its reference at byte ", edge.offset));
  if (target.direct) (void)in_.post->arch().make_direct(instruction);  // it can: use.may_be_direct
  PatchEdge bound;
  bound.offset = edge.offset;
  bound.field_bytes = static_cast<uint8_t>(edge_bytes(edge.kind));
  bound.pc_relative = is_pc_relative(edge.kind);
  bound.sign_extended = edge.kind == EdgeKind::abs32s || edge.kind == EdgeKind::tls_tp_off32 || edge.kind == EdgeKind::tls_dtp_off32;
  bound.to = target.to;
  bound.piece = target.piece;
  bound.base = target.base;
  bound.import = target.import;
  bound.addend = reference.offset + target.offset - (bound.pc_relative ? int64_t{tail} : 0);
  return bound;
}

Result<Binder::Target> Binder::resolve(const Reference &reference, const Use &use) {
  if (reference.access == Access::unsupported)
    return Error::refused(cat("relocation type ", use.edge->raw_type, " is not supported"));
  switch (reference.place.kind) {
    case Place::Kind::item: return resolve_item(reference.place);
    case Place::Kind::section: return resolve_section(reference.place, reference.offset, reference.access, use);
    case Place::Kind::named: return resolve_named(reference, use);
  }
  return Error::refused("unknown kind of reference");
}

// A string or constant without a name: the image's own, where it has it; else the patch brings it along.
Result<Binder::Target> Binder::resolve_item(const Place &place) {
  if (const auto known = piece_of(place)) return Target{PatchEdge::To::piece, *known, 0, 0, 0, false};
  const ObjectSection &section = in_.post->program().section(place);
  const ByteView bytes = in_.post->item(place);
  if (bytes.empty()) return Error::refused(cat("it refers behind the end of ", section.name));
  Bytes content(bytes.begin(), bytes.end());
  // In code of a fixed address a constant may hold addresses: what its bytes are is not all that it is.
  const bool has_edges = section.has_edges_in(place.item, bytes.size());
  const bool mergeable = !has_edges && section.is_merged();
  if (!has_edges)
    if (const auto base = base_items_.find(bytes, in_.post->program().object(place.object).path, section))
      return Target{PatchEdge::To::base, 0, base->value, 0, 0, false};
  if (mergeable) {
    if (const auto same = item_pieces_.find(content); same != item_pieces_.end()) {
      out_.pieces[same->second].alignment = std::max(out_.pieces[same->second].alignment, section.alignment);
      pieces_[place] = same->second;
      return Target{PatchEdge::To::piece, same->second, 0, 0, 0, false};
    }
  }
  PatchPiece piece;
  piece.kind = PatchPiece::Kind::rodata;
  piece.alignment = section.alignment;
  piece.size_bytes = content.size();
  piece.bytes = content;
  piece.name = "";  // no symbol: there is none in the object either
  const uint32_t index = add_piece(std::move(piece));
  pieces_[place] = index;
  if (mergeable) {
    item_pieces_[std::move(content)] = index;
  } else {
    sources_[index] = {place, true};
    queue_.push_back(index);
  }
  return Target{PatchEdge::To::piece, index, 0, 0, 0, false};
}

std::optional<Binder::Target> Binder::base_value(const Place &post_place, Access access) const {
  const auto pre = Comparison::pre_place(in_.pre->program(), in_.post->program(), *in_.twins, post_place);
  if (!pre) return std::nullopt;
  const SolvedValue *value = in_.solution->value(*pre, access);
  if (value == nullptr || value->conflict) return std::nullopt;
  const bool constant = access == Access::tls_dtp || access == Access::tls_tp;
  return Target{constant ? PatchEdge::To::constant : PatchEdge::To::base, 0, value->value, 0, 0, false};
}

bool Binder::stays_in_base(const Place &place) const {
  const Change change = in_.comparison->of(place.object, place.section);
  if (change == Change::added) return false;
  if (change == Change::same) return true;
  // A changed variable keeps its running value (a hazard that was allowed); changed constants and code are carried.
  return in_.post->program().section(place).is_variable();
}

// What the base has but could not be located may be brought along where a second copy makes no difference: code, and
// the constants of which C++ allows one per module (type information and its names, virtual tables, personality pointers).
bool Binder::may_be_copied(const Place &place) const {
  const ObjectSection &section = in_.post->program().section(place);
  if (section.kind == Kind::code) return true;
  if (section.name.starts_with(".gcc_except_table")) return true;
  const std::string name = in_.post->program().describe(place);
  if (is_personality_pointer(name)) return true;
  return section.is_constant() && section.in_group;
}

Result<Binder::Target> Binder::resolve_section(const Place &place, int64_t offset, Access access, const Use &use) {
  const Program &post = in_.post->program();
  const std::string name = post.describe(place);
  if (in_.twins->ambiguous(place.object, place.section)) {
    if (is_personality_pointer(name)) return Target{PatchEdge::To::piece, carry(place), 0, 0, 0, false};
    return Error::refused(cat("which of several ", name, " of the old code corresponds to it cannot be told"));
  }
  if (const auto replaced = replaced_.find(place); replaced != replaced_.end() && !use.is_call && offset == 0 && access == Access::address)
    return Target{PatchEdge::To::base, 0, replaced->second.value, 0, 0, false};
  if (const auto known = piece_of(place); known && !is_tls(access)) return Target{PatchEdge::To::piece, *known, 0, 0, 0, false};
  if (stays_in_base(place)) {
    if (const auto value = base_value(place, access)) return *value;
    if (const auto handle = module_handle(place)) return *handle;
    const auto pre = Comparison::pre_place(in_.pre->program(), post, *in_.twins, place);
    if (!may_be_copied(place) || (post.section(place).kind == Kind::code && !use.is_call && offset == 0)) {
      const SolvedValue *conflicting = pre ? in_.solution->value(*pre, access) : nullptr;
      if (conflicting != nullptr)
        return Error::refused(cat("the ", name_of(access), " of ", name, " is not certain: ", conflicting->source, " and ", conflicting->dissenter, " disagree"));
      return Error::refused(cat("the ", name_of(access), " of ", name, " in the image is not known: no located code refers to it",
                                pre && post.section(place).kind == Kind::code ? cat("; ", in_.solution->why_not(*pre)) : std::string()));
    }
  }
  if (is_tls(access)) return Error::refused(cat(name, " is new thread-local data"));
  return Target{PatchEdge::To::piece, carry(place), 0, 0, 0, false};
}

// Nothing in the program insists on the symbol.
bool Binder::is_weak_everywhere(const std::string &name) const {
  const Program &post = in_.post->program();
  bool weak = true;
  for (uint32_t o = 0; weak && o < post.object_count(); ++o)
    for (const ObjectSymbol &symbol : post.object(o).symbols)
      if (!symbol.defined() && symbol.name == name && symbol.binding != ObjectSymbol::Binding::weak) weak = false;
  return weak;
}

Result<Binder::Target> Binder::resolve_named(const Reference &reference, const Use &use) {
  const Program &post = in_.post->program();
  if (reference.place.name == Program::kModuleTls) {
    if (const auto value = base_value(reference.place, reference.access)) return *value;
    return Error::refused("the image has no slot for local-dynamic thread-local access that located code uses");
  }
  const std::string &name = post.name(reference.place.name);
  if (const auto ifunc = post.ifunc(reference.place.name)) return resolve_ifunc(reference, *ifunc, use);
  if (const auto defined = post.defined_at(name))
    return resolve_defined(name, defined->section, static_cast<int64_t>(defined->offset), reference, use);
  const bool redefined = in_.comparison->redefined(name);
  if (const auto value = redefined ? std::nullopt : base_value(reference.place, reference.access)) return *value;
  // Known in the image though no object defines it: the linker made it (__start_, __stop_), and the load of its address direct.
  if (use.wants_slot() && !redefined)
    if (auto value = base_value(reference.place, Access::address)) {
      if (use.may_be_direct) {
        value->direct = true;
        return *value;
      }
      PatchEdge content;
      content.field_bytes = 8;
      content.to = PatchEdge::To::base;
      content.base = value->base;
      return slot_for(name, content);
    }
  if (is_tls(reference.access)) return Error::refused(cat("the image has no ", name_of(reference.access), " for ", name));
  return resolve_import(name, use, is_weak_everywhere(name));
}

// The base's stub or slot for an IFUNC of its own: what its resolver chose when the program started.
Result<Binder::Target> Binder::resolve_ifunc(const Reference &reference, const Program::Definition &definition, const Use &use) {
  const Program &post = in_.post->program();
  const ObjectSymbol &symbol = post.object(definition.object).symbols[definition.symbol];
  if (const auto value = base_value(reference.place, reference.access)) return *value;
  std::optional<uint64_t> slot;
  if (!symbol.local()) slot = base_slot(symbol.name, !use.is_call);
  const auto resolver = base_value(post.section_place(definition.object, symbol.section), Access::address);
  for (const DynamicReloc &reloc : in_.image->relocs)
    if (!slot && resolver && reloc.kind == DynamicReloc::Kind::irelative && static_cast<uint64_t>(reloc.addend) == resolver->base + symbol.value)
      slot = reloc.at.value;
  if (!slot) return Error::refused(cat(symbol.name, " is chosen at run time (IFUNC), and the image has no slot in which the choice is kept"));
  const Target target{PatchEdge::To::base, 0, *slot, 0, 0, false};
  return use.wants_slot() ? target : stub_through(symbol.name, target);
}

// Whether the loader decides which module's data of that name is used: often the program's, by a copy relocation.
bool Binder::is_preemptible_data(const std::string &name, const Place &place) const {
  const Program &post = in_.post->program();
  if (in_.image->executable || in_.image->symbolic || !in_.image->exports(name) || post.section(place).kind == ObjectSection::Kind::code) return false;
  const auto definition = post.definition(name);
  return definition && post.object(definition->object).symbols[definition->symbol].visibility == ObjectSymbol::Visibility::normal;
}

// A global that this image defines itself, reached by a call or through a GOT slot.
Result<Binder::Target> Binder::resolve_defined(const std::string &name, Place place, int64_t symbol_value, const Reference &reference, const Use &use) {
  const Program &post = in_.post->program();
  // What the base has under that name is something else.
  const bool carried = in_.comparison->redefined(name) || replaced_.contains(place) || piece_of(place) || !stays_in_base(place);
  if (!carried)
    if (const auto value = base_value(reference.place, reference.access)) return *value;
  if (is_tls(reference.access)) {
    if (const auto value = base_value(place, reference.access)) {
      Target target = *value;
      target.offset = symbol_value;
      return target;
    }
    return Error::refused(cat("the image has no ", name_of(reference.access), " for ", name));
  }
  if (!carried && is_preemptible_data(name, place)) {
    if (const auto slot = use.wants_slot() ? base_slot(name, true) : std::nullopt) return Target{PatchEdge::To::base, 0, *slot, 0, 0, false};
    // Of a constant every copy is the same.
    if (post.section(place).is_variable() && (use.wants_slot() || use.edge->kind == EdgeKind::abs64))
      return Error::refused(cat(name, " is a variable that the image exports, so that the one in use may be another module's (a program's own copy, say), and the image has no slot that leads to it"));
  }
  Use direct = use;
  if (use.wants_slot()) direct.is_call = false;
  Target target = TRY(resolve_section(place, symbol_value, Access::address, direct));
  target.offset += symbol_value;
  if (!use.wants_slot()) return target;
  if (use.may_be_direct) {
    target.direct = true;
    return target;
  }
  PatchEdge content;
  content.field_bytes = 8;
  content.to = target.to;
  content.piece = target.piece;
  content.base = target.base;
  content.addend = target.offset;
  return slot_for(name, content);
}

// A GOT slot of the base that holds the address of an import. A slot of a lazily bound PLT entry may still hold the
// address of the binding stub: good for a jump, not for a value.
std::optional<uint64_t> Binder::base_slot(const std::string &name, bool must_be_bound) const {
  const auto range = relocs_by_name_.equal_range(name);
  for (auto it = range.first; it != range.second; ++it) {
    const DynamicReloc &reloc = *it->second;
    if (reloc.kind == DynamicReloc::Kind::got && reloc.addend == 0) return reloc.at.value;
    if (reloc.kind == DynamicReloc::Kind::plt && (in_.image->bind_now || !must_be_bound)) return reloc.at.value;
  }
  return std::nullopt;
}

std::optional<uint64_t> Binder::base_stub(const std::string &name) const {
  const auto range = relocs_by_name_.equal_range(name);
  for (auto it = range.first; it != range.second; ++it)
    if (const auto stub = stub_of_slot_.find(it->second->at.value); stub != stub_of_slot_.end()) return stub->second;
  return std::nullopt;
}

Result<Binder::Target> Binder::resolve_import(const std::string &name, const Use &use, bool weak) {
  const auto range = relocs_by_name_.equal_range(name);
  for (auto it = range.first; it != range.second; ++it) {
    // A copy relocation: the program's own copy is the variable.
    if (it->second->kind != DynamicReloc::Kind::copy) continue;
    const Target variable{PatchEdge::To::base, 0, it->second->at.value, 0, 0, false};
    if (!use.wants_slot()) return variable;
    if (use.may_be_direct) return Target{PatchEdge::To::base, 0, variable.base, 0, 0, true};
    PatchEdge content;
    content.field_bytes = 8;
    content.to = PatchEdge::To::base;
    content.base = variable.base;
    return slot_for(name, content);
  }
  if (use.is_call)
    if (const auto stub = base_stub(name)) return Target{PatchEdge::To::base, 0, *stub, 0, 0, false};
  if (use.is_call || use.wants_slot())
    if (const auto slot = base_slot(name, use.is_call ? false : true)) {
      const Target target{PatchEdge::To::base, 0, *slot, 0, 0, false};
      return use.is_call ? stub_through(name, target) : target;
    }
  if (!use.is_call && !use.wants_slot() && use.edge->kind != EdgeKind::abs64)
    return Error::refused(cat("it takes the address of ", name, ", which another module defines, without a GOT slot"));
  const uint32_t import = import_index(name, weak);
  if (use.edge->kind == EdgeKind::abs64) return Target{PatchEdge::To::import, 0, 0, import, 0, false};
  PatchEdge content;
  content.field_bytes = 8;
  content.to = PatchEdge::To::import;
  content.import = import;
  const Target slot = slot_for(name, content);
  return use.is_call ? stub_through(name, slot) : slot;
}

uint32_t Binder::import_index(const std::string &name, bool weak) {
  Import import;
  import.name = name;
  import.weak = weak;
  // The version that the base binds to, where it imports the symbol itself.
  for (const ImageSymbol &symbol : in_.image->dynamic_symbols)
    if (symbol.name == name && !symbol.defined) import.version = symbol.version;
  if (import.version.empty() && in_.import_versions != nullptr)
    if (const auto bound = in_.import_versions->find(name); bound != in_.import_versions->end()) import.version = bound->second;
  const auto known = std::find_if(out_.imports.begin(), out_.imports.end(), [&](const Import &other) { return other.name == name; });
  if (known != out_.imports.end()) return static_cast<uint32_t>(known - out_.imports.begin());
  out_.imports.push_back(std::move(import));
  return static_cast<uint32_t>(out_.imports.size() - 1);
}

Binder::Target Binder::slot_for(const std::string &key, const PatchEdge &content) {
  const auto [it, inserted] = slots_.try_emplace(key, 0);
  if (inserted) {
    PatchPiece slot;
    slot.name = cat(key, "@got");
    slot.kind = PatchPiece::Kind::data;
    slot.alignment = 8;
    slot.bytes.resize(8);
    slot.size_bytes = 8;
    slot.edges.push_back(content);
    it->second = add_piece(std::move(slot));
  }
  return Target{PatchEdge::To::piece, it->second, 0, 0, 0, false};
}

Binder::Target Binder::stub_through(const std::string &name, const Target &slot) {
  const auto [it, inserted] = stubs_.try_emplace(name, 0);
  if (inserted) {
    FieldCode jump = in_.post->arch().slot_jump();
    PatchPiece stub;
    stub.name = cat(name, "@plt");
    stub.kind = PatchPiece::Kind::code;
    stub.alignment = 8;
    stub.bytes = std::move(jump.code);
    stub.size_bytes = stub.bytes.size();
    stub.is_function = true;
    PatchEdge edge;
    edge.offset = jump.field_at;
    edge.pc_relative = true;
    edge.to = slot.to;
    edge.piece = slot.piece;
    edge.base = slot.base;
    edge.addend = -4;
    stub.edges.push_back(edge);
    it->second = add_piece(std::move(stub));
  }
  return Target{PatchEdge::To::piece, it->second, 0, 0, 0, false};
}

Status Binder::add_unwind() {
  std::set<uint32_t> objects;
  for (const Place &place : carried_functions()) objects.insert(place.object);
  for (const uint32_t object : objects)
    TRY_WHILE(add_unwind_of(object), cat("copying unwind information of ", in_.post->program().object(object).path));
  return bind_all();  // tables of exception handlers came along
}

Status Binder::add_unwind_of(uint32_t object) {
  const ObjectGraph &graph = in_.post->program().object(object);
  for (uint32_t s = 1; s < graph.sections.size(); ++s) {
    const ObjectSection &section = graph.sections[s];
    if (section.kind != Kind::unwind) continue;
    const EhFrame frame = parse_eh_frame(section.bytes);
    for (const EhFde &fde : frame.fdes) {
      const auto begin = std::lower_bound(section.edges.begin(), section.edges.end(), fde.begin_field,
                                          [](const Edge &edge, uint64_t at) { return edge.offset < at; });
      if (begin == section.edges.end() || begin->offset != fde.begin_field) continue;
      const ObjectSymbol &symbol = graph.symbols[begin->symbol];
      if (!symbol.in_section() || !piece_of({Place::Kind::section, object, symbol.section, 0, 0})) continue;
      const auto cie = std::find_if(frame.cies.begin(), frame.cies.end(), [&](const EhCie &entry) { return entry.offset == fde.cie_offset; });
      const auto slice = [&](uint64_t from, uint64_t to) {
        return Bytes(section.bytes.begin() + static_cast<ptrdiff_t>(from), section.bytes.begin() + static_cast<ptrdiff_t>(to));
      };
      PatchUnwind entry;
      entry.cie = slice(cie->offset, cie->end);
      entry.cie_edges = TRY(entry_edges(object, s, cie->offset, cie->end));
      entry.fde = slice(fde.offset, fde.end);
      entry.fde_edges = TRY(entry_edges(object, s, fde.offset, fde.end));
      out_.unwind.push_back(std::move(entry));
    }
  }
  return {};
}

Result<std::vector<PatchEdge>> Binder::entry_edges(uint32_t object, uint32_t section_index, uint64_t begin, uint64_t end) {
  const ObjectSection &section = in_.post->program().object(object).sections[section_index];
  std::vector<PatchEdge> edges;
  for (uint32_t e = 0; e < section.edges.size(); ++e) {
    if (section.edges[e].offset < begin || section.edges[e].offset >= end) continue;
    const Reference reference = in_.post->reference(object, section_index, e);
    PatchEdge edge;
    // An entry describes the new code: never the old entry of a replaced function.
    if (const auto own = piece_of(reference.place); own && reference.access == Access::address) {
      edge.field_bytes = static_cast<uint8_t>(edge_bytes(section.edges[e].kind));
      edge.pc_relative = is_pc_relative(section.edges[e].kind);
      edge.sign_extended = section.edges[e].kind == EdgeKind::abs32s;
      edge.piece = *own;
      edge.addend = reference.offset;
    } else {
      // A CIE refers to nothing but its personality routine; in a FDE's place stand code and table.
      const bool in_code = reference.place.kind == Place::Kind::named || in_.post->program().section(reference.place).kind == Kind::code;
      edge = TRY(in_code ? bind_personality(object, section_index, e) : bind_edge(object, section_index, e, {}));
    }
    edge.offset = section.edges[e].offset - begin;
    edges.push_back(edge);
  }
  return edges;
}

}  // namespace suture
