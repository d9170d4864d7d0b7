#include "diff/bind_tls.h"

#include <algorithm>

#include "base/byte_writer.h"
#include "base/cat.h"

namespace suture {

namespace {

using Reach = TlsForm::Reach;

}  // namespace

bool reaches_tls_by_code(EdgeKind kind) {
  return kind == EdgeKind::tls_gd_pc32 || kind == EdgeKind::tls_ld_pc32 || kind == EdgeKind::tls_ie_pc32 || kind == EdgeKind::tls_desc_pc32 ||
         kind == EdgeKind::tls_desc_call;
}

// A slot or pair of the base for a thread-local variable: one that located code uses, or one that the loader fills for that name.
std::optional<Binder::Target> Binder::tls_slot(const Place &place, Access access) const {
  if (const auto value = base_value(place, access)) return value;
  if (place.kind != Place::Kind::named || place.name == Program::kModuleTls) return std::nullopt;
  const auto wanted = access == Access::tls_ie   ? DynamicReloc::Kind::tls_static
                      : access == Access::tls_gd ? DynamicReloc::Kind::tls_module
                                                 : DynamicReloc::Kind::tls_descriptor;
  const auto range = relocs_by_name_.equal_range(in_.post->program().name(place.name));
  for (auto it = range.first; it != range.second; ++it)
    if (it->second->kind == wanted && it->second->addend == 0) return Target{PatchEdge::To::base, 0, it->second->at.value, 0, 0, false};
  return std::nullopt;
}

// Offset in the base's own block (a constant); from the thread pointer where the base is a program.
std::optional<Binder::Target> Binder::tls_block_offset(const Reference &reference) const {
  const bool program = in_.image->has_first_tls_block();
  if (const auto value = base_value(reference.place, program ? Access::tls_tp : Access::tls_dtp)) return value;
  if (reference.place.kind != Place::Kind::named || reference.place.name == Program::kModuleTls) return std::nullopt;
  const std::string &name = in_.post->program().name(reference.place.name);
  // Defined here: what is known of its section is known of it.
  if (const auto defined = in_.post->program().defined_at(name))
    if (auto value = base_value(defined->section, program ? Access::tls_tp : Access::tls_dtp)) {
      value->offset = static_cast<int64_t>(defined->offset);
      return value;
    }
  if (program || !in_.image->tls) return std::nullopt;
  for (const ImageSymbol &symbol : in_.image->dynamic_symbols)
    if (symbol.defined && symbol.kind == ImageSymbol::Kind::tls && symbol.name == name)
      return Target{PatchEdge::To::constant, 0, symbol.address.value, 0, 0, false};
  return std::nullopt;
}

// A pair of GOT slots for this module's own block, and the offset that it asks __tls_get_addr for.
std::optional<std::pair<uint64_t, uint64_t>> Binder::any_tls_pair() const {
  std::map<uint64_t, const DynamicReloc *> offsets;
  for (const DynamicReloc &reloc : in_.image->relocs)
    if (reloc.kind == DynamicReloc::Kind::tls_offset) offsets.emplace(reloc.at.value, &reloc);
  for (const DynamicReloc &reloc : in_.image->relocs) {
    if (reloc.kind != DynamicReloc::Kind::tls_module || reloc.symbol != 0) continue;
    const ByteView word = in_.image->at(reloc.at + 8, 8);
    if (!offsets.contains(reloc.at.value + 8) && word.size() == 8) return std::pair{reloc.at.value, load<uint64_t>(word, 0)};
  }
  return std::nullopt;
}

Result<Binder::BoundTls> Binder::bind_tls(const TlsSite &site) {
  const Edge &edge = in_.post->program().object(site.object).sections[site.section].edges[site.edge];
  Reference reference = in_.post->reference(site.object, site.section, site.edge);
  if (reference.access == Access::unsupported) return Error::refused(cat("relocation type ", edge.raw_type, " is not supported here"));
  if (reference.access == Access::marker) reference.access = Access::tls_desc;
  const std::string name = in_.post->program().describe(reference.place);
  const bool program = in_.image->has_first_tls_block();
  if (program && reference.access == Access::tls_ld) return in_other_form(site, Reach::nothing, {});
  if (!program)
    if (const auto slot = tls_slot(reference.place, reference.access)) return as_written(site, *slot);
  if (program)
    if (const auto offset = tls_block_offset(reference)) return in_other_form(site, Reach::offset, *offset);
  if (const auto slot = tls_slot(reference.place, Access::tls_ie))
    return reference.access == Access::tls_ie ? as_written(site, *slot) : in_other_form(site, Reach::slot, *slot);
  if (!program && (reference.access == Access::tls_gd || reference.access == Access::tls_ld)) return through_stub(site);
  return Error::refused(cat("the image has no ", name_of(reference.access), " for ", name, ", and no located code tells its place in the thread's block"));
}

Result<Binder::BoundTls> Binder::as_written(const TlsSite &site, const Target &target) {
  const Edge &edge = in_.post->program().object(site.object).sections[site.section].edges[site.edge];
  BoundTls bound;
  bound.end = edge.offset + 1;
  if (edge_bytes(edge.kind) == 0) return bound;
  PatchEdge field;
  field.offset = edge.offset;
  field.pc_relative = true;
  field.to = target.to;
  field.base = target.base;
  field.addend = edge.addend;
  bound.edges.push_back(field);
  return bound;
}

Result<Binder::BoundTls> Binder::in_other_form(const TlsSite &site, Reach reach, const Target &target) {
  const Edge &edge = in_.post->program().object(site.object).sections[site.section].edges[site.edge];
  const std::optional<CodeInstruction> holder = instruction_with(site.object, site.section, edge.offset);
  if (!holder) return Error::refused("its code cannot be decoded");
  const uint64_t begin = holder->at;
  const auto forms = in_.post->arch().tls_forms(ByteView(site.contents).subspan(begin), static_cast<uint32_t>(edge.offset - begin), edge.kind);
  const bool mark = edge.kind == EdgeKind::tls_desc_call;
  const auto form = std::find_if(forms.begin(), forms.end(), [&](const TlsForm &one) { return mark || one.reach == reach; });
  if (form == forms.end()) return Error::refused("its thread-local access is not written as the ABI lays down, and cannot be led to where the image has the variable");
  std::copy(form->code.begin(), form->code.end(), site.contents.begin() + static_cast<ptrdiff_t>(begin));
  BoundTls bound;
  bound.end = begin + form->code.size();
  if (form->reach == Reach::nothing) return bound;
  const Reference reference = in_.post->reference(site.object, site.section, site.edge);
  PatchEdge field;
  field.offset = begin + form->field_at;
  field.to = target.to;
  field.base = target.base;
  field.pc_relative = form->reach == Reach::slot;
  field.sign_extended = form->reach == Reach::offset;
  field.addend = reference.offset + target.offset - (field.pc_relative ? 4 : 0);
  bound.edges.push_back(field);
  return bound;
}

// The base has no pair for this variable, but one for its own block: the same call with that one, and the distance added.
Result<Binder::BoundTls> Binder::through_stub(const TlsSite &site) {
  const Edge &edge = in_.post->program().object(site.object).sections[site.section].edges[site.edge];
  const Reference reference = in_.post->reference(site.object, site.section, site.edge);
  const std::string name = in_.post->program().describe(reference.place);
  const auto pair = any_tls_pair();
  std::optional<Target> offset = reference.access == Access::tls_ld ? Target{PatchEdge::To::constant, 0, 0, 0, 0, false} : tls_block_offset(reference);
  if (!pair || !offset)
    return Error::refused(cat("the image has no ", name_of(reference.access), " for ", name,
                              pair ? ", and no located code tells its place in the thread's block" : ", and none for another variable of its own"));
  const auto call = in_.post->arch().tls_call(site.contents, edge.offset, edge.kind);
  if (!call) return Error::refused("its thread-local access is not written as the ABI lays down");
  std::copy(call->opcode.begin(), call->opcode.end(), site.contents.begin() + static_cast<ptrdiff_t>(call->call_at));

  const auto [known, inserted] = stubs_.try_emplace(cat(name, "@tls"), 0);
  if (inserted) {
    Use use;
    use.edge = &edge;
    use.is_call = true;
    const Target get_address = TRY(resolve_import("__tls_get_addr", use, false));
    TlsStub code = in_.post->arch().tls_stub();
    PatchPiece stub;
    stub.name = known->first;
    stub.kind = PatchPiece::Kind::code;
    stub.alignment = 16;
    stub.bytes = std::move(code.code);
    stub.size_bytes = stub.bytes.size();
    stub.is_function = true;
    const int64_t distance = static_cast<int64_t>(offset->base) + offset->offset + reference.offset - static_cast<int64_t>(pair->second);
    store<int32_t>(stub.bytes, code.distance_at, static_cast<int32_t>(distance));
    stub.edges = {{code.pair_at, 4, true, false, PatchEdge::To::base, 0, pair->first, 0, -4},
                  {code.call_at, 4, true, false, get_address.to, get_address.piece, get_address.base, get_address.import, get_address.offset - 4}};
    known->second = add_piece(std::move(stub));
  }
  BoundTls bound;
  const uint64_t field = call->call_at + call->opcode.size();
  bound.end = field + 4;
  bound.edges = {{edge.offset, 4, true, false, PatchEdge::To::base, 0, pair->first, 0, -4}, {field, 4, true, false, PatchEdge::To::piece, stubs_.at(cat(name, "@tls")), 0, 0, -4}};
  return bound;
}

}  // namespace suture
