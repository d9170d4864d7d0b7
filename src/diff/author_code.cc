#include "diff/author_code.h"

#include <algorithm>
#include <array>

#include "base/cat.h"

namespace suture {

namespace {

constexpr std::string_view kHookSection = ".suture.hooks.";
constexpr std::array<std::pair<std::string_view, Hook::Kind>, kHookKinds> kKindNames = {{{"pre_apply", Hook::Kind::pre_apply},
                                                                                        {"post_apply", Hook::Kind::post_apply},
                                                                                        {"pre_revert", Hook::Kind::pre_revert},
                                                                                        {"post_revert", Hook::Kind::post_revert}}};
// What the header defines.
constexpr const char *kShadowRoot = "suture_shadow_root_";

std::optional<Place> defined_place(const Program &program, const std::string &name) {
  const auto defined = program.defined_at(name);
  if (!defined || defined->offset != 0) return std::nullopt;
  return defined->section;
}

std::optional<Hook::Kind> kind_of(std::string_view section) {
  const auto found = std::find_if(kKindNames.begin(), kKindNames.end(),
                                  [&](const auto &entry) { return entry.first == section.substr(kHookSection.size()); });
  if (found == kKindNames.end()) return std::nullopt;
  return found->second;
}

}  // namespace

Result<std::vector<AuthorHook>> find_hooks(const DiffInput &input) {
  std::vector<AuthorHook> hooks;
  const Program &post = input.post->program();
  for (uint32_t o = 0; o < post.object_count(); ++o) {
    const ObjectGraph &graph = post.object(o);
    for (uint32_t s = 1; s < graph.sections.size(); ++s) {
      const ObjectSection &section = graph.sections[s];
      if (!section.name.starts_with(kHookSection) || input.comparison->of(o, s) == Change::same) continue;
      const std::optional<Hook::Kind> kind = kind_of(section.name);
      if (!kind) return Error::refused(cat(graph.path, " has a section ", section.name, ", which declares no kind of hook that is known"));
      for (uint32_t e = 0; e < section.edges.size(); ++e) {
        const Reference reference = input.post->reference(o, s, e);
        const bool function = reference.place.kind == Place::Kind::section && post.section(reference.place).kind == ObjectSection::Kind::code;
        if (!function || reference.offset < 0)
          return Error::refused(cat("the ", name_of(*kind), " hook at ", section.name, "+", section.edges[e].offset, " of ", graph.path, " is ",
                                    post.describe(reference.place), ", which is not a function of this image"));
        hooks.push_back({*kind, reference.place, static_cast<uint64_t>(reference.offset)});
      }
    }
  }
  return hooks;
}

Status carry_hooks(const DiffInput &input, const std::vector<AuthorHook> &hooks, Binder &binder) {
  if (hooks.empty()) return {};
  for (const AuthorHook &hook : hooks) binder.bring(hook.function);
  for (const char *name : {kHookRunner, kHookCounts}) {
    const auto place = defined_place(input.post->program(), name);
    if (!place) return Error::refused(cat("the fix declares hooks, but ", name, " of suture/patch.h is not in the image's objects"));
    binder.bring(*place);
  }
  return {};
}

PatchAuthorCode describe_author_code(const DiffInput &input, const std::vector<AuthorHook> &hooks, const Binder &binder) {
  const Program &post = input.post->program();
  const auto piece = [&](const char *name) -> std::optional<uint32_t> {
    const auto place = defined_place(post, name);
    return place ? binder.piece_of(*place) : std::nullopt;
  };
  PatchAuthorCode out;
  for (const AuthorHook &hook : hooks)
    out.hooks.push_back({hook.kind, post.describe(hook.function), *binder.piece_of(hook.function), hook.offset});
  if (!hooks.empty()) {
    out.hook_runner = *piece(kHookRunner);
    out.hook_counts = *piece(kHookCounts);
  }
  out.shadow_root = piece(kShadowRoot);
  return out;
}

std::string hook_reason(const std::vector<AuthorHook> &hooks, const Place &function) {
  std::string out;
  for (const AuthorHook &hook : hooks)
    if (hook.function == function) out += cat(out.empty() ? "a " : " and ", name_of(hook.kind), " hook");
  return out;
}

}  // namespace suture
