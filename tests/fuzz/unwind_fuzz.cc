// Any bytes as a process's unwind tables and stack: the walk ends, within its limits, and reads nothing that is not there.
// The input is the memory at kBase: registers first, then the tables; it is its own stack as well.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/file.h"
#include "elf/debug_frame.h"
#include "elf/read_image.h"
#include "fuzz.h"
#include "model/eh_frame.h"
#include "unwind/unwinder.h"

using namespace suture;

namespace {

constexpr uint64_t kBase = 0x10000;
constexpr uint64_t kTablesAt = sizeof(DwarfRegisters);
constexpr uint64_t kMostMemory = 1 << 20;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < kTablesAt || size > kMostMemory) return 0;
  const ByteView memory(data, size);
  const MemoryReader reader = [&](RunAddr at, std::span<uint8_t> out) {
    if (at.value < kBase || at.value - kBase > size || out.size() > size - (at.value - kBase)) return false;
    std::copy_n(memory.begin() + static_cast<ptrdiff_t>(at.value - kBase), out.size(), out.begin());
    return true;
  };
  DwarfRegisters registers{};
  std::memcpy(registers.data(), data, sizeof registers);
  const RunRange tables{RunAddr(kBase + kTablesAt), size - kTablesAt};
  // The same bytes as a table with an index and as a bare section, each for another half of the addresses.
  constexpr uint64_t kHalf = uint64_t{1} << 40;
  FrameTables frames(reader);
  frames.add({{RunAddr(0), kHalf}, tables, {}});
  frames.add({{RunAddr(kHalf), kHalf}, {}, tables});
  for (const uint64_t pc : {registers[kDwarfPc], registers[kDwarfPc] + kHalf}) {
    registers[kDwarfPc] = pc;
    if (unwind(frames, registers, reader).frames.size() > kMaxFrames) std::abort();
  }
  const ByteView section = memory.subspan(kTablesAt);
  for (const EhFde &fde : parse_eh_frame(section).fdes)
    if (fde.offset > fde.end || fde.end > section.size() || fde.begin_field > section.size()) std::abort();
  (void)to_debug_frame(section, LinkAddr(kBase + kTablesAt));
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  const auto image = read_elf_image_file("/bin/true");
  if (!image) return {};
  const auto header = std::find_if(image->sections.begin(), image->sections.end(), [](const ImageSection &s) { return s.name == ".eh_frame_hdr"; });
  if (header == image->sections.end() || image->unwind.empty()) return {};
  // From the index to the end of its segment: .eh_frame lies right behind it. The program counter is in the first function
  // that has an entry; addresses are relative, so the tables work wherever they are.
  const ByteView tables = image->at(header->address, UINT64_MAX);
  DwarfRegisters registers{};
  registers[kDwarfSp] = kBase;
  registers[kDwarfPc] = kBase + kTablesAt + image->unwind.front().range.begin.value - header->address.value;
  Bytes seed(sizeof registers);
  std::memcpy(seed.data(), registers.data(), sizeof registers);
  seed.insert(seed.end(), tables.begin(), tables.end());
  Bytes section_only(seed.begin(), seed.begin() + kTablesAt);
  section_only.insert(section_only.end(), tables.begin() + static_cast<ptrdiff_t>(header->size_bytes), tables.end());
  return {seed, section_only};
}
