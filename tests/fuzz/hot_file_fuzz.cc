// Any bytes as a `.hp.` file: refused, or an image that can be written again and then reads back to the same file.
#include <cstdlib>

#include "elf/hot_file.h"
#include "fuzz.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto image = read_hot_file({data, size});
  if (!image) return 0;
  const auto once = write_hot_file(*image);
  if (!once) std::abort();
  const auto again = read_hot_file(*once);
  if (!again || *write_hot_file(*again) != *once) std::abort();
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  HotImage image;
  image.patch_id = "seed";
  image.arch = ArchId::x86_64;
  image.base_id = {ImageId::Kind::elf_build_id, Bytes(20, 7)};
  image.base_path = "/usr/bin/seed";
  image.base_span = {LinkAddr(0x1000), 0x10000};
  const PatchOffset start(kHotHeaderBytes);
  Bytes text(kHotHeaderBytes + 200, 0x90);
  std::fill_n(text.begin(), kHotHeaderBytes, uint8_t{0});
  image.segments.push_back({PatchOffset(0), text.size(), text, false, true});
  const PatchOffset data_at(0x1000 + text.size());
  image.segments.push_back({data_at, 100, Bytes(64), true, false});
  image.sections = {{".text", start, 200, 16, false, true, false}, {".data", data_at, 64, 8, true, false, false}};
  const Bytes bare = *write_hot_file(image);
  image.imports = {{"puts", "GLIBC_2.2.5", false}, {"maybe", "", true}};
  for (unsigned kind = 0; kind < 5; ++kind)
    image.fixups.push_back(
        {static_cast<Fixup::Kind>(kind), kind < 2 ? start + 16 * kind : data_at + 8 * kind, kind == 4 ? 1u : 0u});
  image.validations = {{{LinkAddr(0x2000), 4}, {1, 2, 3, 4}, {255, 255, 0, 0}, {}},
                       {{LinkAddr(0x3000), 64}, {}, {}, {}}};
  image.redirects = {{"f", LinkAddr(0x3000), LinkAddr(0x3004), 16, {{LinkAddr(0x3000), 64}}, start, 100}};
  image.symbols = {{"f", start, 100, true, false}, {"g", data_at, 8, false, true}};
  image.eh_frame = start + 160;
  image.eh_frame_bytes = 40;
  const Bytes plain = *write_hot_file(image);
  image.author = {{{Hook::Kind::pre_apply, start, "begin"}, {Hook::Kind::post_revert, start + 8, "end"}},
                  start + 16,
                  data_at,
                  data_at + 64};
  return {bare, plain, *write_hot_file(image)};
}
