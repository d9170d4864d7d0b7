// The ELF container of a `.hp.` file (docs/formats/hp.md). Segments come first, each at an offset congruent with its
// address, so that the file can be mapped as it is; what only people and tools need follows behind them.
#include "elf/hot_file.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/cat.h"
#include "elf/hot_body.h"
#include "elf/hot_check.h"

namespace suture {

namespace {

constexpr std::string_view kBodySection = ".suture";
constexpr uint64_t kMaxSectionHeaders = kMaxHotSections + 5;
constexpr size_t kBuildIdBytes = 20;
constexpr size_t kBuildIdNoteBytes = 12 + 4 + kBuildIdBytes;

Result<uint16_t> machine_of(ArchId arch) {
  if (arch == ArchId::x86_64) return uint16_t{EM_X86_64};
  if (arch == ArchId::aarch64) return uint16_t{EM_AARCH64};
  return Error::refused(cat("no .hp. file for architecture ", name_of(arch)));
}

ArchId arch_of(uint16_t machine) {
  if (machine == EM_X86_64) return ArchId::x86_64;
  if (machine == EM_AARCH64) return ArchId::aarch64;
  return ArchId::unknown;
}

template <typename T>
ByteView view_of(const T &object) {
  return {reinterpret_cast<const uint8_t *>(&object), sizeof object};
}

template <typename T>
T take_struct(ByteReader &in) {
  T object{};
  const ByteView view = in.take(sizeof object);
  if (view.size() == sizeof object) std::memcpy(&object, view.data(), sizeof object);
  return object;
}

// One table serves symbols and section names: a second one would cost a section header.
class StringTable {
 public:
  uint32_t add(const std::string &text) {
    if (text.empty()) return 0;
    const auto [place, fresh] = offset_of_.emplace(text, static_cast<uint32_t>(bytes_.size()));
    if (fresh) {
      bytes_.insert(bytes_.end(), text.begin(), text.end());
      bytes_.push_back(0);
    }
    return place->second;
  }
  const Bytes &bytes() const { return bytes_; }

 private:
  Bytes bytes_{0};
  std::map<std::string, uint32_t> offset_of_;
};

// Writes one file; its members are the parts that refer to each other.
class Writer {
 public:
  explicit Writer(const HotImage &image) : image_(image) {}

  Result<Bytes> write() {
    header_.e_machine = TRY(machine_of(image_.arch));
    add_segments();
    add_sections();
    add_own_section(kBodySection, SHT_PROGBITS, 1, write_hot_body(image_));
    add_symbols();
    const size_t id_at = add_build_id();
    add_strings_and_headers();
    // The id covers all of the file, with zeros in its own place.
    const Digest digest = sha256(out_);
    std::copy_n(digest.begin(), kBuildIdBytes, out_.begin() + static_cast<ptrdiff_t>(id_at));
    return std::move(out_);
  }

 private:
  void add_segments() {
    for (const HotSegment &segment : image_.segments) {
      while (out_.size() % kPageBytes != segment.address.value % kPageBytes) out_.push_back(0);
      Elf64_Phdr load{};
      load.p_type = PT_LOAD;
      load.p_flags = PF_R | (segment.writable ? PF_W : 0u) | (segment.executable ? PF_X : 0u);
      load.p_offset = out_.size();
      load.p_vaddr = load.p_paddr = segment.address.value;
      load.p_filesz = segment.bytes.size();
      load.p_memsz = segment.memory_bytes;
      load.p_align = kPageBytes;
      loads_.push_back(load);
      append(segment.bytes);
    }
  }

  void add_sections() {
    headers_.emplace_back();
    for (const HotSection &section : image_.sections) {
      const Elf64_Phdr &load = *std::find_if(loads_.begin(), loads_.end(), [&](const Elf64_Phdr &candidate) {
        return section.address.value >= candidate.p_vaddr &&
               section.address.value + section.size_bytes <= candidate.p_vaddr + candidate.p_memsz;
      });
      Elf64_Shdr header{};
      header.sh_name = strings_.add(section.name);
      header.sh_type = section.no_bits ? SHT_NOBITS : SHT_PROGBITS;
      header.sh_flags = SHF_ALLOC | (section.writable ? SHF_WRITE : 0u) | (section.executable ? SHF_EXECINSTR : 0u);
      header.sh_addr = section.address.value;
      header.sh_offset = load.p_offset + (section.address.value - load.p_vaddr);
      header.sh_size = section.size_bytes;
      header.sh_addralign = section.alignment;
      headers_.push_back(header);
    }
  }

  void add_own_section(std::string_view name, uint32_t type, size_t alignment, ByteView content) {
    while (out_.size() % alignment != 0) out_.push_back(0);
    Elf64_Shdr header{};
    header.sh_name = strings_.add(std::string(name));
    header.sh_type = type;
    header.sh_offset = out_.size();
    header.sh_size = content.size();
    header.sh_addralign = alignment;
    headers_.push_back(header);
    append(content);
  }

  uint16_t section_index_of(const HotSymbol &symbol) const {
    for (size_t i = 0; i < image_.sections.size(); ++i) {
      const HotSection &section = image_.sections[i];
      if (symbol.address >= section.address &&
          symbol.address - section.address < std::max<uint64_t>(section.size_bytes, 1))
        return static_cast<uint16_t>(i + 1);
    }
    return SHN_ABS;
  }

  void add_symbols() {
    ByteWriter table;
    table.zeros(sizeof(Elf64_Sym));
    for (const HotSymbol &symbol : image_.symbols) {
      Elf64_Sym entry{};
      entry.st_name = strings_.add(symbol.name);
      entry.st_info = static_cast<uint8_t>(
          ELF64_ST_INFO(symbol.global ? STB_GLOBAL : STB_LOCAL, symbol.function ? STT_FUNC : STT_OBJECT));
      entry.st_shndx = section_index_of(symbol);
      entry.st_value = symbol.address.value;
      entry.st_size = symbol.size_bytes;
      table.append(view_of(entry));
    }
    const auto locals =
        std::count_if(image_.symbols.begin(), image_.symbols.end(), [](const HotSymbol &s) { return !s.global; });
    add_own_section(".symtab", SHT_SYMTAB, 8, table.bytes());
    headers_.back().sh_entsize = sizeof(Elf64_Sym);
    headers_.back().sh_info = static_cast<uint32_t>(locals + 1);
    headers_.back().sh_link = static_cast<uint32_t>(headers_.size() + 1);  // .strtab, behind the build-id
  }

  size_t add_build_id() {
    ByteWriter note;
    note.u32(4);
    note.u32(kBuildIdBytes);
    note.u32(NT_GNU_BUILD_ID);
    note.c_string("GNU");
    note.zeros(kBuildIdBytes);
    add_own_section(".note.gnu.build-id", SHT_NOTE, 4, note.bytes());
    static_assert(kBuildIdNoteBytes % 4 == 0);
    return out_.size() - kBuildIdBytes;
  }

  void add_strings_and_headers() {
    (void)strings_.add(".strtab");  // before its content is taken
    add_own_section(".strtab", SHT_STRTAB, 1, strings_.bytes());
    while (out_.size() % 8 != 0) out_.push_back(0);

    Elf64_Phdr stack{};  // without it, loaders of some systems would give the process an executable stack
    stack.p_type = PT_GNU_STACK;
    stack.p_flags = PF_R | PF_W;
    stack.p_align = 16;
    loads_.push_back(stack);

    std::memcpy(header_.e_ident, ELFMAG, SELFMAG);
    header_.e_ident[EI_CLASS] = ELFCLASS64;
    header_.e_ident[EI_DATA] = ELFDATA2LSB;
    header_.e_ident[EI_VERSION] = EV_CURRENT;
    header_.e_type = ET_DYN;
    header_.e_version = EV_CURRENT;
    header_.e_phoff = sizeof(Elf64_Ehdr);
    header_.e_shoff = out_.size();
    header_.e_ehsize = sizeof(Elf64_Ehdr);
    header_.e_phentsize = sizeof(Elf64_Phdr);
    header_.e_phnum = static_cast<uint16_t>(loads_.size());
    header_.e_shentsize = sizeof(Elf64_Shdr);
    header_.e_shnum = static_cast<uint16_t>(headers_.size());
    header_.e_shstrndx = static_cast<uint16_t>(headers_.size() - 1);
    std::memcpy(out_.data(), &header_, sizeof header_);
    std::memcpy(out_.data() + sizeof header_, loads_.data(), loads_.size() * sizeof(Elf64_Phdr));
    for (const Elf64_Shdr &header : headers_) append(view_of(header));
  }

  void append(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

  const HotImage &image_;
  Bytes out_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> loads_;
  std::vector<Elf64_Shdr> headers_;
  StringTable strings_;
};
static_assert(sizeof(Elf64_Ehdr) + (kMaxHotSegments + 1) * sizeof(Elf64_Phdr) <= kHotHeaderBytes);

Result<Elf64_Ehdr> read_header(ByteView bytes) {
  ByteReader in(bytes);
  const auto header = take_struct<Elf64_Ehdr>(in);
  if (!in.ok() || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return Error::corrupt("not an ELF file");
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_DYN ||
      header.e_version != EV_CURRENT)
    return Error::corrupt("not a 64-bit little-endian shared object, as every .hp. file is");
  if (header.e_phoff != sizeof(Elf64_Ehdr) || header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
      header.e_phnum > kMaxHotSegments + 1 || header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum == 0 ||
      header.e_shnum > kMaxSectionHeaders || header.e_shstrndx >= header.e_shnum)
    return Error::corrupt("its ELF header is not one of a .hp. file");
  return header;
}

Status read_segments(ByteView bytes, const Elf64_Ehdr &header, HotImage &image) {
  ByteReader in(bytes);
  in.seek(header.e_phoff);
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const auto load = take_struct<Elf64_Phdr>(in);
    if (!in.ok()) return Error::corrupt("its program headers lie outside the file");
    if (load.p_type == PT_GNU_STACK) continue;
    if (load.p_type != PT_LOAD) return Error::corrupt("it has a program header that no .hp. file has");
    if (load.p_offset % kPageBytes != load.p_vaddr % kPageBytes)
      return Error::corrupt("it has a segment whose place in the file does not suit its address");
    ByteReader content(bytes);
    content.seek(load.p_offset);
    const ByteView view = content.take(load.p_filesz);
    if (!content.ok()) return Error::corrupt("it has a segment that lies outside the file");
    HotSegment segment;
    segment.address = PatchOffset(load.p_vaddr);
    segment.memory_bytes = load.p_memsz;
    segment.bytes.assign(view.begin(), view.end());
    segment.writable = (load.p_flags & PF_W) != 0;
    segment.executable = (load.p_flags & PF_X) != 0;
    image.segments.push_back(std::move(segment));
  }
  if (image.segments.empty() || image.segments[0].bytes.size() < kHotHeaderBytes)
    return Error::corrupt("it has no room for its own header");
  std::fill_n(image.segments[0].bytes.begin(), kHotHeaderBytes, uint8_t{0});
  return {};
}

// A section header with its content (empty for SHT_NOBITS).
struct ReadSection {
  Elf64_Shdr header{};
  ByteView content;
};

Result<std::vector<ReadSection>> read_section_headers(ByteView bytes, const Elf64_Ehdr &header) {
  ByteReader in(bytes);
  in.seek(header.e_shoff);
  std::vector<ReadSection> sections(header.e_shnum);
  for (ReadSection &section : sections) {
    section.header = take_struct<Elf64_Shdr>(in);
    if (!in.ok()) return Error::corrupt("its section headers lie outside the file");
    if (section.header.sh_type == SHT_NOBITS || section.header.sh_type == SHT_NULL) continue;
    ByteReader content(bytes);
    content.seek(section.header.sh_offset);
    section.content = content.take(section.header.sh_size);
    if (!content.ok()) return Error::corrupt("it has a section that lies outside the file");
  }
  return sections;
}

Result<std::string> string_at(ByteView table, uint32_t offset) {
  ByteReader in(table);
  in.seek(offset);
  const std::string_view text = in.c_string();
  if (!in.ok() || text.size() > kMaxHotNameBytes)
    return Error::corrupt("it has a name that lies outside its string table");
  return std::string(text);
}

Status read_symbols(const ReadSection &table, ByteView strings, HotImage &image) {
  constexpr size_t kEntry = sizeof(Elf64_Sym);
  if (table.header.sh_entsize != kEntry || table.content.size() % kEntry != 0 ||
      table.content.size() / kEntry > kMaxHotSymbols)
    return Error::corrupt("its symbol table is malformed");
  ByteReader in(table.content);
  in.skip(kEntry);
  while (in.ok() && !in.at_end()) {
    const auto entry = take_struct<Elf64_Sym>(in);
    HotSymbol symbol;
    symbol.name = TRY(string_at(strings, entry.st_name));
    symbol.address = PatchOffset(entry.st_value);
    symbol.size_bytes = entry.st_size;
    symbol.function = ELF64_ST_TYPE(entry.st_info) == STT_FUNC;
    symbol.global = ELF64_ST_BIND(entry.st_info) != STB_LOCAL;
    image.symbols.push_back(std::move(symbol));
  }
  return {};
}

HotSection to_hot_section(const Elf64_Shdr &header, std::string name) {
  HotSection section;
  section.name = std::move(name);
  section.address = PatchOffset(header.sh_addr);
  section.size_bytes = header.sh_size;
  section.alignment = header.sh_addralign;
  section.writable = (header.sh_flags & SHF_WRITE) != 0;
  section.executable = (header.sh_flags & SHF_EXECINSTR) != 0;
  section.no_bits = header.sh_type == SHT_NOBITS;
  return section;
}

Result<HotImage> read_checked(ByteView bytes) {
  HotImage image;
  const Elf64_Ehdr header = TRY(read_header(bytes));
  image.arch = arch_of(header.e_machine);
  if (image.arch == ArchId::unknown) return Error::refused(cat("machine ", header.e_machine, " is not supported"));
  TRY(read_segments(bytes, header, image));
  const std::vector<ReadSection> sections = TRY(read_section_headers(bytes, header));
  const ByteView strings = sections[header.e_shstrndx].content;
  const ReadSection *body = nullptr;
  for (const ReadSection &section : sections) {
    if (section.header.sh_type == SHT_NULL) continue;
    std::string name = TRY(string_at(strings, section.header.sh_name));
    if (section.header.sh_flags & SHF_ALLOC) {
      image.sections.push_back(to_hot_section(section.header, std::move(name)));
    } else if (section.header.sh_type == SHT_SYMTAB) {
      TRY(read_symbols(section, strings, image));
    } else if (name == kBodySection) {
      if (body != nullptr) return Error::corrupt("it has two .suture sections");
      body = &section;
    }
  }
  if (body == nullptr) return Error::corrupt("it has no .suture section");
  TRY(read_hot_body(body->content, image));
  TRY(check_hot_image(image));
  return image;
}

}  // namespace

Result<Bytes> write_hot_file(const HotImage &image) {
  TRY_WHILE(check_hot_image(image), "writing a .hp. file");
  const bool ordered = std::is_sorted(image.symbols.begin(), image.symbols.end(),
                                      [](const HotSymbol &a, const HotSymbol &b) { return a.global < b.global; });
  if (ordered) return Writer(image).write();
  // ELF wants local symbols first.
  HotImage sorted = image;
  std::stable_partition(sorted.symbols.begin(), sorted.symbols.end(), [](const HotSymbol &s) { return !s.global; });
  return Writer(sorted).write();
}

Result<HotImage> read_hot_file(ByteView bytes) {
  return TRY_WHILE(read_checked(bytes), "reading a .hp. file");
}

}  // namespace suture
