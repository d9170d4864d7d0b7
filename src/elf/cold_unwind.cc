#include "elf/cold_unwind.h"

#include <algorithm>
#include <optional>

#include "base/byte_writer.h"
#include "base/cat.h"
#include "model/eh_frame.h"
#include "elf/elf64.h"

namespace suture {

namespace {

struct IndexEntry {
  uint64_t function = 0;  // link address
  uint64_t fde = 0;
  auto operator<=>(const IndexEntry &) const = default;
};

// The only encodings that linkers write (LSB Core, "Exception Frame Header").
constexpr uint8_t kFramePointer = eh::kPcRelative | eh::kSdata4;
constexpr uint8_t kCount = eh::kData4;
constexpr uint8_t kTable = eh::kDataRelative | eh::kSdata4;

void add_entries(const EhFrameAt &frame, std::vector<IndexEntry> &entries) {
  for (const EhFde &fde : parse_eh_frame(frame.content).fdes) {
    uint64_t function = fde.begin_raw;
    if ((fde.pointer_encoding & 0x70) == eh::kPcRelative) function += frame.address.value + fde.begin_field;
    if (fde.range_bytes != 0) entries.push_back({function, frame.address.value + fde.offset});
  }
}

struct BaseIndex {
  uint64_t eh_frame = 0;  // 0: none
  std::vector<IndexEntry> entries;
};

std::optional<uint64_t> index_address(const Image &base) {
  const auto file = Elf64File::open(base.bytes);
  if (!file) return std::nullopt;
  for (const Elf64_Phdr &program : file->programs())
    if (program.p_type == PT_GNU_EH_FRAME) return program.p_vaddr;
  return std::nullopt;
}

uint64_t eh_frame_section(const Image &base) {
  for (const ImageSection &section : base.sections)
    if (section.name == ".eh_frame" && section.allocated) return section.address.value;
  return 0;
}

// The base's own index where it has one of the usual form: it is what unwinders used until now. Else its .eh_frame is
// read.
BaseIndex read_base_index(const Image &base) {
  BaseIndex index;
  const auto at = index_address(base);
  const ByteView header = at ? base.at(LinkAddr(*at), 12) : ByteView{};
  if (header.size() == 12 && header[0] == 1 && header[1] == kFramePointer && header[2] == kCount &&
      header[3] == kTable) {
    index.eh_frame = *at + 4 + static_cast<uint64_t>(int64_t{load<int32_t>(header, 4)});
    const uint64_t count = load<uint32_t>(header, 8);
    const ByteView table = base.at(LinkAddr(*at + 12), count * 8);
    for (size_t i = 0; i + 8 <= table.size(); i += 8)
      index.entries.push_back({*at + static_cast<uint64_t>(int64_t{load<int32_t>(table, i)}),
                               *at + static_cast<uint64_t>(int64_t{load<int32_t>(table, i + 4)})});
    return index;
  }
  index.eh_frame = eh_frame_section(base);
  if (index.eh_frame != 0)
    add_entries({LinkAddr(index.eh_frame), base.at(LinkAddr(index.eh_frame), UINT64_MAX)}, index.entries);
  return index;
}

Result<uint32_t> relative(uint64_t value, uint64_t to) {
  const int64_t difference = static_cast<int64_t>(value - to);
  if (difference != static_cast<int32_t>(difference)) return Error::refused("unwind entries lie more than 2 GiB apart");
  return static_cast<uint32_t>(difference);
}

}  // namespace

Result<Bytes> merge_unwind_index(const Image &base, const EhFrameAt &patch, LinkAddr at) {
  BaseIndex index = read_base_index(base);
  add_entries(patch, index.entries);
  if (index.entries.empty()) return Bytes{};
  std::sort(index.entries.begin(), index.entries.end());

  ByteWriter out;
  out.u8(1);
  out.u8(kFramePointer);
  out.u8(kCount);
  out.u8(kTable);
  // Only readers without the table follow this pointer; the base's section serves them as it did before.
  out.u32(TRY(relative(index.eh_frame != 0 ? index.eh_frame : patch.address.value, at.value + 4)));
  out.u32(static_cast<uint32_t>(index.entries.size()));
  for (const IndexEntry &entry : index.entries) {
    out.u32(TRY(relative(entry.function, at.value)));
    out.u32(TRY(relative(entry.fde, at.value)));
  }
  return std::move(out).take();
}

}  // namespace suture
