#include "link/unwind_table.h"

#include <algorithm>

#include "base/byte_writer.h"

namespace suture {

namespace {

bool same_edges(const std::vector<PatchEdge> &a, const std::vector<PatchEdge> &b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const PatchEdge &x, const PatchEdge &y) {
    return x.offset == y.offset && x.to == y.to && x.piece == y.piece && x.base == y.base && x.import == y.import && x.addend == y.addend;
  });
}

}  // namespace

UnwindTable build_unwind_table(const std::vector<PatchUnwind> &entries) {
  UnwindTable table;
  ByteWriter out;
  std::vector<std::pair<const PatchUnwind *, uint64_t>> cies;
  const auto append = [&](const Bytes &bytes, const std::vector<PatchEdge> &edges) {
    for (PatchEdge edge : edges) {
      edge.offset += out.size();
      table.edges.push_back(edge);
    }
    out.append(bytes);
  };
  for (const PatchUnwind &entry : entries) {
    auto cie = std::find_if(cies.begin(), cies.end(), [&](const auto &known) {
      return known.first->cie == entry.cie && same_edges(known.first->cie_edges, entry.cie_edges);
    });
    if (cie == cies.end()) {
      cies.emplace_back(&entry, out.size());
      cie = std::prev(cies.end());
      append(entry.cie, entry.cie_edges);
    }
    // The word behind an FDE's length is the distance from itself back to its CIE.
    Bytes fde = entry.fde;
    if (fde.size() >= 8) store<uint32_t>(fde, 4, static_cast<uint32_t>(out.size() + 4 - cie->second));
    append(fde, entry.fde_edges);
  }
  if (out.size() != 0) out.u32(0);
  table.bytes = std::move(out).take();
  return table;
}

}  // namespace suture
