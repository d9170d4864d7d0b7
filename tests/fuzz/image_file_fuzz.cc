// Any bytes as a linked image: refused, or a model whose tables stay within the file.
#include <cstdlib>

#include "base/file.h"
#include "elf/cold_note.h"
#include "elf/read_image.h"
#include "elf/read_unwind_ranges.h"
#include "fuzz.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto image = read_elf_image(Bytes(data, data + size), "fuzz");
  if (!image) return 0;
  for (const DynamicReloc &reloc : image->relocs)
    if (reloc.symbol != 0 && reloc.symbol >= image->dynamic_symbols.size()) std::abort();
  for (const Segment &segment : image->segments)
    if (image->at(segment.address, UINT64_MAX).size() > size) std::abort();
  const std::vector<UnwindRange> unwind = read_unwind_ranges(*image);
  for (size_t i = 1; i < unwind.size(); ++i)
    if (!(unwind[i - 1] < unwind[i])) std::abort();
  (void)read_cold_note(*image);
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  std::vector<Bytes> seeds;
  for (const char *path : {"/bin/true", "/lib/x86_64-linux-gnu/libdl.so.2"})
    if (auto bytes = read_file(path)) seeds.push_back(std::move(*bytes));
  return seeds;
}
