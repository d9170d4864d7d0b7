#include "elf/read_unwind_ranges.h"

#include <algorithm>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "model/eh_frame.h"
#include "elf/elf64.h"

namespace suture {

namespace {

// .eh_frame lies where PT_GNU_EH_FRAME's header points (eh_frame_ptr); it runs to its terminator.
LinkAddr find_eh_frame(const Image &image) {
  for (const ImageSection &section : image.sections)
    if (section.name == ".eh_frame" && section.allocated) return section.address;
  const auto file = Elf64File::open(image.bytes);
  if (!file) return LinkAddr(0);
  for (const Elf64_Phdr &program : file->programs()) {
    if (program.p_type != PT_GNU_EH_FRAME) continue;
    const ByteView header = image.at(LinkAddr(program.p_vaddr), 8);
    if (header.size() == 8 && header[0] == 1 && header[1] == (eh::kPcRelative | eh::kSdata4))
      return LinkAddr(program.p_vaddr + 4 + static_cast<uint64_t>(int64_t{load<int32_t>(header, 4)}));
  }
  return LinkAddr(0);
}

}  // namespace

std::vector<UnwindRange> read_unwind_ranges(const Image &image) {
  const LinkAddr at = find_eh_frame(image);
  if (at.value == 0) return {};
  std::vector<UnwindRange> ranges;
  for (const EhFde &fde : parse_eh_frame(image.at(at, UINT64_MAX)).fdes) {
    uint64_t begin = fde.begin_raw;
    if ((fde.pointer_encoding & 0x70) == eh::kPcRelative) begin += at.value + fde.begin_field;
    if (fde.range_bytes != 0) ranges.push_back({LinkRange{LinkAddr(begin), fde.range_bytes}});
  }
  std::sort(ranges.begin(), ranges.end());
  ranges.erase(std::unique(ranges.begin(), ranges.end()), ranges.end());
  return ranges;
}

}  // namespace suture
