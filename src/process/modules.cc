#include "process/modules.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "elf/cold_note.h"
#include "base/cat.h"

namespace suture {
namespace {

constexpr size_t kProbeBytes = 64;
constexpr size_t kHeadBytes = 4096;  // program headers and the build-id note are in the first page of every linker
constexpr uint64_t kMaxSegments = 64;
constexpr uint64_t kMaxNoteBytes = 64 << 10;
constexpr uint64_t kMaxDynamicEntries = 4096;
constexpr size_t kMaxLinkMaps = 8192;
constexpr uint64_t kPage = 4096;

bool is_elf(ByteView bytes) {
  return bytes.size() >= SELFMAG && std::memcmp(bytes.data(), ELFMAG, SELFMAG) == 0;
}

bool is_our_elf(ByteView head) {
  ByteReader reader(head);
  reader.skip(EI_CLASS);
  const uint8_t elf_class = reader.u8();
  const uint8_t data = reader.u8();
  reader.seek(offsetof(Elf64_Ehdr, e_type));
  const uint16_t type = reader.u16();
  const uint16_t machine = reader.u16();
  return reader.ok() && elf_class == ELFCLASS64 && data == ELFDATA2LSB && machine == EM_X86_64 &&
         (type == ET_DYN || type == ET_EXEC);
}

std::optional<ImageId> build_id_in(ByteView notes) {
  ByteReader reader(notes);
  while (reader.remaining() >= 12) {
    const uint32_t name_bytes = reader.u32();
    const uint32_t data_bytes = reader.u32();
    const uint32_t type = reader.u32();
    const ByteView name = reader.take((uint64_t{name_bytes} + 3) & ~uint64_t{3});
    const ByteView data = reader.take((uint64_t{data_bytes} + 3) & ~uint64_t{3});
    if (!reader.ok()) return std::nullopt;
    if (type != NT_GNU_BUILD_ID || name_bytes != 4 || std::memcmp(name.data(), "GNU", 4) != 0) continue;
    return ImageId{ImageId::Kind::elf_build_id, Bytes(data.begin(), data.begin() + data_bytes)};
  }
  return std::nullopt;
}

struct ProgramHeader {
  uint32_t type;
  uint32_t flags;
  LinkAddr address;
  uint64_t memory_bytes;
};

struct HeaderTable {
  uint64_t offset = 0;  // in the file; in memory too, counted from the ELF header, for a table that is loaded in step
  uint16_t count = 0;
};

std::optional<HeaderTable> find_program_headers(ByteView head) {
  ByteReader reader(head);
  reader.seek(offsetof(Elf64_Ehdr, e_phoff));
  HeaderTable table;
  table.offset = reader.u64();
  reader.seek(offsetof(Elf64_Ehdr, e_phentsize));
  const uint16_t entry_bytes = reader.u16();
  table.count = reader.u16();
  if (!reader.ok() || entry_bytes != sizeof(Elf64_Phdr) || table.count > kMaxSegments) return std::nullopt;
  return table;
}

std::vector<ProgramHeader> read_program_headers(ByteView table, uint16_t count) {
  ByteReader reader(table);
  std::vector<ProgramHeader> out;
  for (uint16_t i = 0; i < count; ++i) {
    ProgramHeader header{};
    header.type = reader.u32();
    header.flags = reader.u32();
    reader.skip(8);  // file offset
    header.address = LinkAddr(reader.u64());
    reader.skip(16);  // physical address, file size
    header.memory_bytes = reader.u64();
    reader.skip(8);  // alignment
    if (!reader.ok()) return {};
    out.push_back(header);
  }
  return out;
}

class ModuleReader {
 public:
  ModuleReader(const Process &process, const Mapping &mapping, ByteView head)
      : process_(process), mapping_(mapping), head_(head) {}

  std::optional<Module> read() {
    const std::vector<ProgramHeader> headers = program_headers();
    Module out;
    out.base = mapping_.range.begin;
    out.name = mapping_.name;
    if (!place(headers, out)) return std::nullopt;
    for (const ProgramHeader &header : headers) note(header, out);
    return out;
  }

 private:
  // Linkers put the table behind the ELF header. A coldpatch has it in its own segment, at the distance from the ELF header
  // that it has in the file.
  std::vector<ProgramHeader> program_headers() const {
    const std::optional<HeaderTable> table = find_program_headers(head_);
    if (!table) return {};
    const uint64_t size_bytes = uint64_t{table->count} * sizeof(Elf64_Phdr);
    if (table->offset <= head_.size() && size_bytes <= head_.size() - table->offset)
      return read_program_headers(head_.subspan(static_cast<size_t>(table->offset), static_cast<size_t>(size_bytes)), table->count);
    const Result<Bytes> bytes = process_.read_bytes(mapping_.range.begin + table->offset, size_bytes);
    if (!bytes) return {};
    std::vector<ProgramHeader> headers = read_program_headers(*bytes, table->count);
    // What lies there must say that it is the table.
    const bool itself = !headers.empty() && headers.front().type == PT_PHDR && headers.front().memory_bytes == size_bytes;
    return itself ? std::move(headers) : std::vector<ProgramHeader>();
  }

  bool place(const std::vector<ProgramHeader> &headers, Module &out) const {
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;
    for (const ProgramHeader &header : headers) {
      if (header.type != PT_LOAD) continue;
      if (header.memory_bytes > (uint64_t{1} << 40) || header.address.value > UINT64_MAX - header.memory_bytes)
        return false;
      out.segments.push_back(
          {{header.address, header.memory_bytes}, (header.flags & PF_X) != 0, (header.flags & PF_W) != 0});
      low = std::min(low, header.address.value & ~(kPage - 1));
      high = std::max(high, header.address.value + header.memory_bytes);
    }
    if (low >= high) return false;
    // The first segment holds the ELF header, so the first page of the image is this one.
    out.bias = LoadBias{out.base.value - low};
    out.span = {out.base, (high - low + kPage - 1) & ~(kPage - 1)};
    out.fixed = load<uint16_t>(head_, offsetof(Elf64_Ehdr, e_type)) == ET_EXEC;
    return true;
  }

  void note(const ProgramHeader &header, Module &out) const {
    const RunRange range{out.bias.to_run(header.address), header.memory_bytes};
    if (header.type == PT_GNU_EH_FRAME) out.eh_frame_hdr = range;
    if (header.type == PT_DYNAMIC) out.dynamic = range;
    if (header.type != PT_NOTE || header.memory_bytes > kMaxNoteBytes) return;
    const uint64_t into = range.begin.value - out.base.value;
    if (into <= head_.size() && range.size_bytes <= head_.size() - into) {
      take_note(head_.subspan(static_cast<size_t>(into), static_cast<size_t>(range.size_bytes)), out);
    } else if (const Result<Bytes> bytes = process_.read_bytes(range.begin, range.size_bytes)) {
      take_note(*bytes, out);
    }
  }

  static void take_note(ByteView notes, Module &out) {
    for (ColdPatchRecord &record : parse_cold_note(notes)) out.cold_patches.push_back(std::move(record));
    if (out.id.kind != ImageId::Kind::none) return;
    if (const std::optional<ImageId> id = build_id_in(notes)) out.id = *id;
  }

  const Process &process_;
  const Mapping &mapping_;
  ByteView head_;
};

bool may_start_an_image(const Mapping &mapping) {
  // [vvar] and device memory cannot be read this way; an image's first page is readable.
  return mapping.readable && !mapping.shared && mapping.offset == 0 && mapping.name.substr(0, 5) != "[vvar";
}

std::optional<uint64_t> auxv_entry(ByteView auxv, uint64_t wanted) {
  ByteReader reader(auxv);
  while (reader.remaining() >= 16) {
    const uint64_t type = reader.u64();
    const uint64_t value = reader.u64();
    if (type == wanted) return value;
  }
  return std::nullopt;
}

std::optional<RunAddr> r_debug_of(const Process &process, const Module &program) {
  if (!program.dynamic || program.dynamic->size_bytes > kMaxDynamicEntries * sizeof(Elf64_Dyn)) return std::nullopt;
  const Result<Bytes> bytes = process.read_bytes(program.dynamic->begin, program.dynamic->size_bytes);
  if (!bytes) return std::nullopt;
  ByteReader reader(*bytes);
  while (reader.remaining() >= sizeof(Elf64_Dyn)) {
    const int64_t tag = reader.i64();
    const uint64_t value = reader.u64();
    if (tag == DT_NULL) break;
    if (tag == DT_DEBUG && value != 0) return RunAddr(value);
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<Module>> find_modules(const Process &process, const Maps &maps) {
  std::vector<const Mapping *> candidates;
  for (const Mapping &mapping : maps.all())
    if (may_start_an_image(mapping)) candidates.push_back(&mapping);
  std::vector<std::array<uint8_t, kProbeBytes>> probes(candidates.size());
  std::vector<ReadPiece> pieces;
  for (size_t i = 0; i < candidates.size(); ++i) pieces.push_back({candidates[i]->range.begin, probes[i]});
  process.read_many(pieces);

  std::vector<const Mapping *> images;
  bool foreign = false;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (pieces[i].read_bytes != kProbeBytes || !is_elf(probes[i])) continue;
    if (is_our_elf(probes[i])) images.push_back(candidates[i]);
    foreign = foreign || !is_our_elf(probes[i]);
  }
  if (images.size() > kMaxModules) return Error::refused(cat("the process has more than ", kMaxModules, " modules"));
  std::vector<Bytes> heads(images.size(), Bytes(kHeadBytes));
  pieces.clear();
  for (size_t i = 0; i < images.size(); ++i) pieces.push_back({images[i]->range.begin, heads[i]});
  process.read_many(pieces);

  std::vector<Module> out;
  for (size_t i = 0; i < images.size(); ++i) {
    // lld lets segments share pages of the file: of an image smaller than a page each mapping begins with the ELF header.
    if (!out.empty() && out.back().span.contains(images[i]->range.begin) && out.back().name == images[i]->name) continue;
    std::optional<Module> module =
        ModuleReader(process, *images[i], ByteView(heads[i]).first(pieces[i].read_bytes)).read();
    if (module) out.push_back(std::move(*module));
  }
  if (out.empty() && foreign)
    return Error::refused("not a 64-bit x86 process (its images are of another class or machine)");
  return out;
}

const Module *module_at(const std::vector<Module> &modules, RunAddr at) {
  const auto after =
      std::upper_bound(modules.begin(), modules.end(), at, [](RunAddr a, const Module &m) { return a < m.base; });
  if (after == modules.begin()) return nullptr;
  const Module &candidate = *std::prev(after);
  return candidate.span.contains(at) ? &candidate : nullptr;
}

Result<std::optional<LoaderView>> find_loader(const Process &process, const std::vector<Module> &modules) {
  const std::string auxv = TRY(process.proc_text("auxv"));
  const std::optional<uint64_t> headers = auxv_entry(as_bytes(auxv), AT_PHDR);
  if (!headers) return std::optional<LoaderView>();
  const Module *program = module_at(modules, RunAddr(*headers));
  if (program == nullptr) return std::optional<LoaderView>();
  const std::optional<RunAddr> r_debug = r_debug_of(process, *program);
  if (!r_debug) return std::optional<LoaderView>();
  LoaderView out;
  out.r_debug = *r_debug;
  // struct r_debug { int r_version; link_map *r_map; ... }
  const Result<uint64_t> first = process.read_value<uint64_t>(*r_debug + 8);
  uint64_t at = first ? *first : 0;
  while (at != 0 && out.dynamic_sections.size() < kMaxLinkMaps) {
    // struct link_map { l_addr; l_name; l_ld; l_next; l_prev }
    const Result<std::array<uint64_t, 4>> entry = process.read_value<std::array<uint64_t, 4>>(RunAddr(at));
    if (!entry) break;
    out.dynamic_sections.push_back(RunAddr((*entry)[2]));
    at = (*entry)[3];
  }
  return std::optional<LoaderView>(std::move(out));
}

// struct r_debug { int r_version; link_map *r_map; Elf64_Addr r_brk; int r_state; ... }; RT_CONSISTENT is 0
RunAddr loader_state_at(RunAddr r_debug) {
  return r_debug + 24;
}

bool loader_is_consistent(uint32_t state) {
  return state == 0;
}

}  // namespace suture
