#include "apply/layers.h"

#include <algorithm>
#include <map>

#include "base/cat.h"

namespace suture {
namespace {

bool is_in_effect(const FoundRecord &found) {
  return found.head.state == static_cast<uint64_t>(RecordState::applied);
}

Layer layer_of(const Arch &arch, const Module &module, const ColdPatchRecord &record, const ColdRedirect &redirect) {
  Layer out;
  out.patch = record.patch;
  out.site = module.bias.to_run(redirect.site);
  out.old_entry = out.site;
  out.old_bytes = redirect.old_bytes;
  out.new_code = {module.bias.to_run(redirect.new_code.begin), redirect.new_code.size_bytes};
  const Result<Bytes> jump = arch.encode_jump(out.site.value, out.new_code.begin.value);
  if (jump && jump->size() == kRedirectBytes) std::copy(jump->begin(), jump->end(), out.direct_bytes.begin());
  out.gate_bytes = out.direct_bytes;
  return out;
}

Layer layer_of(const Record &record, const RecordFunction &function) {
  return {record.lineage(),   function.name,         function.old_entry,  function.site,
          function.old_bytes, function.direct_bytes, function.gate_bytes, function.new_code};
}

bool contains(const std::vector<Lineage> &list, const Lineage &patch) {
  return std::any_of(list.begin(), list.end(), [&](const Lineage &one) { return one.same_as(patch); });
}

// Layers by the place that they cover, lowest first.
std::map<RunAddr, std::vector<Layer>> by_site(std::vector<Layer> layers) {
  std::map<RunAddr, std::vector<Layer>> out;
  for (Layer &layer : layers) out[layer.site].push_back(std::move(layer));
  return out;
}

bool is_replaced(const Unit &unit, RunAddr site) {
  return std::any_of(unit.hot->redirects.begin(), unit.hot->redirects.end(),
                     [&](const Redirect &redirect) { return unit.module.bias.to_run(redirect.site) == site; });
}

// What a function goes back to when the topmost superseded layers over it go; none where another patch lies over them.
std::optional<Restore> restore_of(const std::vector<Layer> &stack, const std::vector<Lineage> &superseded) {
  Restore out;
  for (auto layer = stack.rbegin(); layer != stack.rend() && contains(superseded, layer->patch); ++layer) {
    if (!layer->function.empty()) out.name = layer->function;
    out.old_entry = layer->old_entry;
    out.bytes = layer->old_bytes;
    out.left.push_back(layer->new_code);
  }
  if (out.left.empty() || out.bytes == stack.back().direct_bytes) return std::nullopt;
  out.site = stack.back().site;
  out.now = stack.back().direct_bytes;
  if (out.name.empty()) out.name = cat("function at ", hex(out.site.value));
  return out;
}

template <typename Wanted>
std::vector<Layer> collect_layers(const Session &session, const Module &module, Wanted wanted) {
  std::vector<Layer> out;
  for (const ColdPatchRecord &record : module.cold_patches)
    for (const ColdRedirect &redirect : record.redirects) out.push_back(layer_of(session.process.arch(), module, record, redirect));
  for (const FoundRecord &found : session.records)
    if (found.record.base == module.base && wanted(found))
      for (const RecordFunction &function : found.record.functions) out.push_back(layer_of(found.record, function));
  return out;
}

}  // namespace

std::vector<Layer> layers_of(const Session &session, const Module &module) {
  return collect_layers(session, module, is_in_effect);
}

std::vector<Layer> all_layers_of(const Session &session, const Module &module) {
  return collect_layers(session, module, [](const FoundRecord &) { return true; });
}

std::vector<Lineage> patches_in(const Session &session, const Module &module) {
  std::vector<Lineage> out;
  for (const ColdPatchRecord &record : module.cold_patches) out.push_back(record.patch);
  for (const FoundRecord &found : session.records)
    if (found.record.base == module.base && is_in_effect(found)) out.push_back(found.record.lineage());
  return out;
}

Standing stand(const Session &session, const Module &module, const Lineage &patch) {
  Standing out;
  const std::vector<Lineage> there = patches_in(session, module);
  for (const Lineage &other : there) {
    out.already = out.already || other.same_as(patch);
    if (other.replaces(patch)) out.contained_in = other;
  }
  std::vector<Lineage> newer{patch};
  for (size_t i = 0; i < newer.size(); ++i)
    for (const Lineage &other : there)
      if (newer[i].replaces(other) && !contains(newer, other)) newer.push_back(other);
  out.superseded.assign(newer.begin() + 1, newer.end());
  return out;
}

Status plan_layers(const Session &session, Unit &unit, const std::vector<Lineage> &superseded) {
  unit.covered.assign(unit.hot->redirects.size(), {});
  const std::map<RunAddr, std::vector<Layer>> stacks = by_site(layers_of(session, unit.module));
  for (size_t i = 0; i < unit.hot->redirects.size(); ++i) {
    const auto stack = stacks.find(unit.module.bias.to_run(unit.hot->redirects[i].site));
    if (stack == stacks.end()) continue;
    for (const Layer &layer : stack->second) unit.covered[i].push_back(layer.new_code);
  }
  for (const auto &[site, stack] : stacks) {
    if (is_replaced(unit, site)) continue;
    const std::optional<Restore> restore = restore_of(stack, superseded);
    if (!restore) continue;
    std::array<uint8_t, kRedirectBytes> now{};
    TRY(session.process.read(site, now));
    if (now != restore->now)
      return Error::refused(cat(restore->name, ": its entry at ", hex(site.value), " holds ", to_hex(now),
                                ", which is not what the superseded patch put there (another patcher or debugger)"));
    unit.restores.push_back(*restore);
  }
  return {};
}

void undo_layers(const std::vector<Layer> &layers, RunRange range, Bytes &bytes) {
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer)
    for (size_t i = 0; i < kRedirectBytes; ++i) {
      const RunAddr at = layer->site + i;
      if (!range.contains(at)) continue;
      uint8_t &byte = bytes[static_cast<size_t>(at - range.begin)];
      // A byte that is not this redirect's belongs to whoever overwrote it: left for the comparison to find.
      if (byte == layer->direct_bytes[i] || byte == layer->gate_bytes[i]) byte = layer->old_bytes[i];
    }
}

}  // namespace suture
