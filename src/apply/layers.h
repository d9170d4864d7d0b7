// What lies over the functions of a mapped image already: redirects of earlier patches, in memory (records) or in the
// file that the process was started from (its note). And what a patch that supersedes some of them has to do with those
// functions that it does not replace itself: they go back to what was there before, in the same switch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apply/region.h"
#include "apply/session.h"

namespace suture {

// One redirect of an earlier patch.
struct Layer {
  Lineage patch;
  std::string function;  // empty: the file's note does not tell
  RunAddr old_entry;
  RunAddr site;
  std::array<uint8_t, kRedirectBytes> old_bytes{};
  std::array<uint8_t, kRedirectBytes> direct_bytes{};
  std::array<uint8_t, kRedirectBytes> gate_bytes{};
  RunRange new_code;
};

// Those of patches in effect, in the order in which they were laid, those of the file first.
std::vector<Layer> layers_of(const Session &session, const Module &module);
// Also those of patches that are half applied or reverted, whose jumps or gates may still be there.
std::vector<Layer> all_layers_of(const Session &session, const Module &module);
// Each patch that is in effect in this copy of an image, in memory or in its file.
std::vector<Lineage> patches_in(const Session &session, const Module &module);

// How a patch stands to those that are there.
struct Standing {
  bool already = false;                 // it is there itself
  std::optional<Lineage> contained_in;  // a patch that is there has its fixes
  std::vector<Lineage> superseded;      // patches that it takes the place of, with those that they took the place of
};
Standing stand(const Session &session, const Module &module, const Lineage &patch);

// Fills unit.restores and unit.covered. Refused when another patcher's bytes are in the way.
Status plan_layers(const Session &session, Unit &unit, const std::vector<Lineage> &superseded);

// Puts back, in bytes read from `range`, what redirects and gates of these layers replaced.
void undo_layers(const std::vector<Layer> &layers, RunRange range, Bytes &bytes);

}  // namespace suture
