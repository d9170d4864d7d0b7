// The word by which destructors are registered for their module (Itanium C++ ABI 3.3.5.3). It comes with the compiler's start-up
// files, which have no unwind information to locate their code by.
#include <algorithm>

#include "diff/binder.h"

namespace suture {

namespace {

constexpr const char *kName = "__dso_handle";

}  // namespace

std::optional<Binder::Target> Binder::module_handle(const Place &place) {
  if (in_.post->program().describe(place) != kName) return std::nullopt;
  // A program is not unloaded, so that nobody asks for what was registered with its word: any will do.
  if (in_.image->has_first_tls_block()) return Target{PatchEdge::To::piece, carry(place), 0, 0, 0, false};
  // In a library it is its own address, and the first variable of all, since the start-up files are linked first (libgcc, crtstuff.c).
  for (const ImageSection &section : in_.image->sections) {
    if (section.name != ".data") continue;
    const auto &relocs = in_.image->relocs;
    const bool own = std::any_of(relocs.begin(), relocs.end(), [&](const DynamicReloc &reloc) {
      return reloc.at == section.address && reloc.kind == DynamicReloc::Kind::relative && static_cast<uint64_t>(reloc.addend) == reloc.at.value;
    });
    if (own) return Target{PatchEdge::To::base, 0, section.address.value, 0, 0, false};
  }
  return std::nullopt;
}

}  // namespace suture
