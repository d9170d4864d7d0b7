#include "support/author_patch.h"

#include <gtest/gtest.h>

#include "elf/link_for_test.h"
#include "support/target_program.h"

namespace suture {
namespace {

constexpr const char *kCompile = "gcc -O2 -fPIE -fcf-protection=none -ffunction-sections -fdata-sections -I" SUTURE_SOURCE_DIR "/include";

PatchOffset place_of(const HotImage &hot, const std::string &name) {
  for (const HotSymbol &symbol : hot.symbols)
    if (symbol.name == name) return symbol.address;
  return PatchOffset(0);
}

}  // namespace

HotImage make_author_patch(const std::string &target, const std::string &patch_id, const std::string &source) {
  const Result<Image> base = read_elf_image_file(TargetProgram::path_of(target));
  EXPECT_TRUE(base.has_value()) << (base ? "" : base.error().text());
  const TempDir folder = *TempDir::create("suture-author");
  const std::string text = "#include <suture/patch.h>\n" + source;
  std::vector<testing_link::Old> olds;
  for (const ImageSymbol &symbol : base->symbols)
    if (symbol.defined && !symbol.name.empty() && text.find(" new_" + symbol.name + "(") != std::string::npos)
      olds.push_back({symbol.name, "new_" + symbol.name});
  HotImage hot = testing_link::HotLinker(*base, folder.path()).link(kCompile, text, olds);
  hot.patch_id = patch_id;
  constexpr const char *kKinds[] = {"pre_apply", "post_apply", "pre_revert", "post_revert"};
  for (size_t kind = 0; kind < kHookKinds; ++kind) {
    const std::string prefix = std::string("suture_") + kKinds[kind] + "_";
    for (const HotSymbol &symbol : hot.symbols) {
      if (!symbol.name.starts_with(prefix)) continue;
      const std::string name = symbol.name.substr(prefix.size());
      hot.author.hooks.push_back({static_cast<Hook::Kind>(kind), place_of(hot, name), name});
    }
  }
  if (!hot.author.hooks.empty()) {
    hot.author.hook_runner = place_of(hot, "suture_run_hook_");
    hot.author.hook_counts = place_of(hot, "suture_hook_counts_");
  }
  if (source.find("suture_shadow_") != std::string::npos) hot.author.shadow_root = place_of(hot, "suture_shadow_root_");
  return hot;
}

}  // namespace suture
