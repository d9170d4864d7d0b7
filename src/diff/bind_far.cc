// References of the patch's code to what only another module has, written as if it were near: led through a slot with its address.
#include <algorithm>

#include "base/cat.h"
#include "diff/bind_tls.h"

namespace suture {

std::optional<CodeInstruction> Binder::instruction_with(uint32_t object, uint32_t section, uint64_t offset) const {
  const std::shared_ptr<const Code> code = in_.post->code(object, section);
  const CodeInstruction *found = code->complete ? code->instruction_with(offset) : nullptr;
  return found == nullptr ? std::nullopt : std::optional(*found);
}

// The name of the variable or function, if that is what the edge is.
std::optional<std::string> Binder::far_name(uint32_t object, uint32_t section, uint32_t index) const {
  const EdgeKind kind = in_.post->program().object(object).sections[section].edges[index].kind;
  if (kind != EdgeKind::pc32 && kind != EdgeKind::abs32 && kind != EdgeKind::abs32s) return std::nullopt;
  // A call or jump can go through a stub.
  const std::optional<CodeInstruction> insn = instruction_with(object, section, in_.post->program().object(object).sections[section].edges[index].offset);
  if (!insn || (insn->insn.rel_bytes != 0 && !insn->insn.rel_is_memory)) return std::nullopt;
  const Reference reference = in_.post->reference(object, section, index);
  if (reference.access != Access::address || reference.place.kind != Place::Kind::named || reference.place.name == Program::kModuleTls) return std::nullopt;
  const std::string &name = in_.post->program().name(reference.place.name);
  if (name.empty() || in_.post->program().definition(name) || in_.post->program().ifunc(reference.place.name) || base_value(reference.place, Access::address))
    return std::nullopt;
  const auto range = relocs_by_name_.equal_range(name);
  for (auto it = range.first; it != range.second; ++it)
    if (it->second->kind == DynamicReloc::Kind::copy) return std::nullopt;
  return name;
}

Result<std::vector<PatchEdge>> Binder::bind_far(const FarSite &site) {
  const Edge &edge = in_.post->program().object(site.object).sections[site.section].edges[site.edge];
  const std::optional<CodeInstruction> holder = instruction_with(site.object, site.section, edge.offset);
  if (!holder) return Error::refused("its code cannot be decoded");
  const CodeInstruction &insn = *holder;
  const std::span<uint8_t> bytes = site.contents.subspan(insn.at, insn.insn.size_bytes);
  const Reference reference = in_.post->reference(site.object, site.section, site.edge);
  const auto form = insn.edge_count == 1 ? in_.post->arch().far_form(bytes, static_cast<uint32_t>(edge.offset - insn.at), reference.offset)
                                         : std::nullopt;
  if (!form) return Error::refused(cat("it takes the address of ", site.name, ", which another module defines, without a GOT slot"))
      .with_next("compile the file with -fPIC, or reach it through a function");
  Target slot;
  if (const auto base = base_slot(site.name, true)) {
    slot.base = *base;
  } else {
    PatchEdge content;
    content.field_bytes = 8;
    content.to = PatchEdge::To::import;
    content.import = import_index(site.name, is_weak_everywhere(site.name));
    slot = slot_for(site.name, content);
  }
  const auto to_slot = [&](uint64_t at) { return PatchEdge{at, 4, true, false, slot.to, slot.piece, slot.base, 0, -4}; };
  if (form->in_place) {
    std::copy(form->code.begin(), form->code.end(), bytes.begin());
    return std::vector<PatchEdge>{to_slot(insn.at + form->slot_field_at)};
  }
  PatchPiece stub;
  stub.name = cat(site.name, "@far");
  stub.kind = PatchPiece::Kind::code;
  stub.bytes = form->code;
  const FieldCode jump = in_.post->arch().near_jump();
  const uint64_t back_at = stub.bytes.size() + jump.field_at;
  stub.bytes.insert(stub.bytes.end(), jump.code.begin(), jump.code.end());
  stub.size_bytes = stub.bytes.size();
  stub.edges = {to_slot(form->slot_field_at),
                {back_at, 4, true, false, PatchEdge::To::piece, site.piece, 0, 0, static_cast<int64_t>(insn.end()) - 4}};
  const uint32_t index = add_piece(std::move(stub));
  in_.post->arch().fill_nops(bytes);
  std::copy(jump.code.begin(), jump.code.end(), bytes.begin());
  return std::vector<PatchEdge>{{insn.at + jump.field_at, 4, true, false, PatchEdge::To::piece, index, 0, 0, -4}};
}

}  // namespace suture
