// Any bytes as the base of a coldpatch: refused, or a file that reads as an image again and tells what is in it.
#include <cstdlib>

#include "base/file.h"
#include "elf/cold_file.h"
#include "elf/read_image.h"
#include "fuzz.h"

using namespace suture;

namespace {

HotImage patch_for(const Image &base) {
  HotImage hot;
  hot.patch_id = "fuzz";
  hot.arch = base.arch;
  hot.base_id = base.id;
  hot.base_digest = base.digest;
  hot.base_span = base.span();
  hot.base_fixed = base.fixed;
  const PatchOffset start(kHotHeaderBytes);
  Bytes text(kHotHeaderBytes + 64);
  hot.segments.push_back({PatchOffset(0), text.size(), text, false, true});
  const PatchOffset data_at(0x1000 + text.size());
  hot.segments.push_back({data_at, 64, Bytes(32), true, false});
  hot.sections = {{".text", start, 64, 16, false, true, false}};
  hot.imports = {{"open", "GLIBC_2.2.5", false}, {"brand_new", "GLIBC_9.9", true}, {"plain", "", true}};
  hot.fixups = {{Fixup::Kind::base_rel32, start, 0},
                {Fixup::Kind::self_abs64, data_at, 0},
                {Fixup::Kind::import_abs64, data_at + 8, 0},
                {Fixup::Kind::import_abs64, data_at + 16, 1},
                {Fixup::Kind::import_abs64, data_at + 24, 2}};
  hot.symbols = {{"f", start, 16, true, false}};
  return hot;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto base = read_elf_image(Bytes(data, data + size), "base");
  if (!base) return 0;
  const auto cold = write_cold_file(*base, patch_for(*base));
  if (!cold) return 0;
  const auto image = read_elf_image(*cold, "cold");
  if (!image || cold_patches_of(*image).back() != "fuzz") std::abort();
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  std::vector<Bytes> seeds;
  for (const char *path : {"/bin/true", "/lib/x86_64-linux-gnu/libdl.so.2"})
    if (auto bytes = read_file(path)) seeds.push_back(std::move(*bytes));
  return seeds;
}
