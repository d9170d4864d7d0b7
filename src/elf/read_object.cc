#include "elf/read_object.h"

#include <algorithm>

#include "base/cat.h"
#include "elf/elf64.h"
#include "elf/relocs_x86_64.h"

namespace suture {

namespace {

constexpr uint64_t kPointerBytes = 8;

ObjectSection::Kind kind_of(const Elf64_Shdr &header, std::string_view name) {
  using Kind = ObjectSection::Kind;
  const bool writable = header.sh_flags & SHF_WRITE;
  if (!(header.sh_flags & SHF_ALLOC))
    return name.starts_with(".debug") || name.starts_with(".zdebug") ? Kind::debug : Kind::other;
  if (name == ".eh_frame" || header.sh_type == SHT_X86_64_UNWIND) return Kind::unwind;
  if (header.sh_type == SHT_NOTE) return Kind::other;
  // -fpatchable-function-entry: where functions begin, for tracers. No code reads it, and the base's list stays as it is.
  if (name == "__patchable_function_entries") return Kind::other;
  if (header.sh_type == SHT_INIT_ARRAY || header.sh_type == SHT_FINI_ARRAY || header.sh_type == SHT_PREINIT_ARRAY ||
      name.starts_with(".ctors") || name.starts_with(".dtors"))
    return Kind::init;
  if (header.sh_flags & SHF_TLS) return header.sh_type == SHT_NOBITS ? Kind::tls_bss : Kind::tls_data;
  if (header.sh_flags & SHF_EXECINSTR) return Kind::code;
  if (header.sh_type == SHT_NOBITS) return Kind::bss;
  if (name.starts_with(".data.rel.ro")) return Kind::relro;
  if (writable) return Kind::data;
  if ((header.sh_flags & SHF_MERGE) && (header.sh_flags & SHF_STRINGS) && (header.sh_entsize == 1 || header.sh_entsize == 2 || header.sh_entsize == 4))
    return Kind::strings;
  if ((header.sh_flags & SHF_MERGE) && header.sh_entsize > 0) return Kind::constants;
  return Kind::rodata;
}

Result<std::vector<ObjectSection>> read_sections(const Elf64File &file) {
  std::vector<ObjectSection> sections;
  sections.reserve(file.sections().size());
  for (const Elf64_Shdr &header : file.sections()) {
    ObjectSection section;
    section.name = file.section_name(header);
    section.kind = kind_of(header, section.name);
    section.size_bytes = header.sh_size;
    section.alignment = std::max<uint64_t>(1, header.sh_addralign);
    section.entry_bytes = header.sh_entsize;
    section.in_group = header.sh_flags & SHF_GROUP;
    if (section.loaded() && header.sh_type != SHT_NOBITS) {
      const ByteView bytes = file.contents(header);
      if (bytes.size() != header.sh_size) return Error::corrupt(cat("section ", section.name, " lies outside the file"));
      if (header.sh_flags & SHF_COMPRESSED) return Error::corrupt(cat("loaded section ", section.name, " is compressed"));
      section.bytes.assign(bytes.begin(), bytes.end());
    }
    sections.push_back(std::move(section));
  }
  return sections;
}

ObjectSymbol::Kind symbol_kind(unsigned type) {
  using Kind = ObjectSymbol::Kind;
  switch (type) {
    case STT_OBJECT:
    case STT_COMMON: return Kind::data;
    case STT_FUNC: return Kind::function;
    case STT_SECTION: return Kind::section;
    case STT_FILE: return Kind::file;
    case STT_TLS: return Kind::tls;
    case STT_GNU_IFUNC: return Kind::ifunc;
    default: return Kind::none;
  }
}

ObjectSymbol::Binding symbol_binding(unsigned bind) {
  using Binding = ObjectSymbol::Binding;
  switch (bind) {
    case STB_LOCAL: return Binding::local;
    case STB_WEAK: return Binding::weak;
    case STB_GNU_UNIQUE: return Binding::unique;
    default: return Binding::global;
  }
}

ObjectSymbol to_symbol(const Elf64_Sym &raw, uint32_t section, std::string_view name) {
  ObjectSymbol symbol;
  symbol.name = name;
  symbol.section = section;
  symbol.value = raw.st_value;
  symbol.size_bytes = raw.st_size;
  symbol.kind = symbol_kind(ELF64_ST_TYPE(raw.st_info));
  symbol.binding = symbol_binding(ELF64_ST_BIND(raw.st_info));
  const unsigned visibility = ELF64_ST_VISIBILITY(raw.st_other);
  symbol.visibility = visibility == STV_DEFAULT     ? ObjectSymbol::Visibility::normal
                      : visibility == STV_PROTECTED ? ObjectSymbol::Visibility::protected_
                                                    : ObjectSymbol::Visibility::hidden;
  return symbol;
}

Result<uint32_t> section_index_of(const Elf64_Sym &raw, ByteView wide_indexes, uint64_t symbol_index, size_t section_count) {
  switch (raw.st_shndx) {
    case SHN_UNDEF: return ObjectSymbol::kUndefined;
    case SHN_ABS: return ObjectSymbol::kAbsolute;
    case SHN_COMMON: return ObjectSymbol::kCommon;
    default: break;
  }
  uint32_t index = raw.st_shndx;
  if (raw.st_shndx == SHN_XINDEX && !read_record(wide_indexes, symbol_index * 4, index))
    return Error::corrupt("extended section index outside its table");
  if (index >= section_count) return Error::corrupt(cat("symbol ", symbol_index, " names section ", index));
  return index;
}

Status read_symbols(const Elf64File &file, ObjectGraph &graph) {
  ByteView wide_indexes;
  for (const Elf64_Shdr &header : file.sections())
    if (header.sh_type == SHT_SYMTAB_SHNDX) wide_indexes = file.contents(header);
  for (const Elf64_Shdr &header : file.sections()) {
    if (header.sh_type != SHT_SYMTAB) continue;
    const ByteView table = file.contents(header);
    const ByteView names = header.sh_link < file.sections().size() ? file.contents(file.sections()[header.sh_link]) : ByteView{};
    const uint64_t count = table.size() / sizeof(Elf64_Sym);
    if (count > kMaxSymbols) return Error::corrupt(cat("claims ", count, " symbols"));
    for (uint64_t i = 0; i < count; ++i) {
      Elf64_Sym raw{};
      (void)read_record(table, i * sizeof(Elf64_Sym), raw);  // within bounds: count comes from the size
      const uint32_t section = TRY(section_index_of(raw, wide_indexes, i, graph.sections.size()));
      graph.symbols.push_back(to_symbol(raw, section, Elf64File::string_at(names, raw.st_name)));
    }
    return {};
  }
  return {};
}

Status read_edges(const Elf64File &file, const Elf64_Shdr &header, ObjectGraph &graph) {
  if (header.sh_info >= graph.sections.size()) return Error::corrupt("relocations for a section that does not exist");
  ObjectSection &section = graph.sections[header.sh_info];
  if (!section.loaded()) return {};
  const ByteView table = file.contents(header);
  const uint64_t count = table.size() / sizeof(Elf64_Rela);
  if (count > kMaxRelocs) return Error::corrupt(cat("section ", section.name, " claims ", count, " relocations"));
  for (uint64_t i = 0; i < count; ++i) {
    Elf64_Rela raw{};
    (void)read_record(table, i * sizeof(Elf64_Rela), raw);  // within bounds: count comes from the size
    Edge edge;
    edge.offset = raw.r_offset;
    edge.raw_type = static_cast<uint32_t>(ELF64_R_TYPE(raw.r_info));
    edge.kind = edge_kind_x86_64(edge.raw_type);
    edge.symbol = static_cast<uint32_t>(ELF64_R_SYM(raw.r_info));
    edge.addend = raw.r_addend;
    if (edge.kind == EdgeKind::none) continue;
    if (edge.symbol >= graph.symbols.size() || edge.offset > section.size_bytes ||
        section.size_bytes - edge.offset < edge_bytes(edge.kind))
      return Error::corrupt(cat("relocation ", i, " of ", section.name, " is out of bounds"));
    section.edges.push_back(edge);
  }
  std::stable_sort(section.edges.begin(), section.edges.end(), [](const Edge &a, const Edge &b) { return a.offset < b.offset; });
  return {};
}

bool is_type_information(const ObjectGraph &graph, const ObjectSymbol &symbol) {
  if (symbol.kind != ObjectSymbol::Kind::section) return symbol.name.starts_with("_ZTI");
  return symbol.in_section() && graph.sections[symbol.section].name.find("._ZTI") != std::string::npos;
}

// The pointers to type information that exception tables go through: of clang in a `.data` that holds nothing else, of gcc's
// link-time optimisation in sections of their own. Nothing names them and nobody writes to them.
void find_pointer_pools(ObjectGraph &graph) {
  std::vector<bool> named(graph.sections.size());
  for (const ObjectSymbol &symbol : graph.symbols)
    if (symbol.in_section() && symbol.kind != ObjectSymbol::Kind::section && !symbol.name.empty() && !symbol.name.starts_with(".L")) named[symbol.section] = true;
  for (uint32_t s = 1; s < graph.sections.size(); ++s) {
    ObjectSection &section = graph.sections[s];
    const bool candidate = section.kind == ObjectSection::Kind::data && section.size_bytes != 0 && !section.in_group && !named[s];
    if (!candidate || section.edges.size() * kPointerBytes != section.size_bytes) continue;
    section.pooled = std::all_of(section.edges.begin(), section.edges.end(), [&](const Edge &edge) {
      return edge.kind == EdgeKind::abs64 && is_type_information(graph, graph.symbols[edge.symbol]);
    });
    if (!section.pooled) continue;
    section.kind = ObjectSection::Kind::relro;
    section.entry_bytes = kPointerBytes;
  }
}

}  // namespace

Result<ObjectGraph> read_elf_object(ByteView bytes, std::string path) {
  const Elf64File file = TRY_WHILE(Elf64File::open(bytes), cat("reading ", path));
  if (file.header().e_type != ET_REL) return Error::corrupt(cat(path, ": not a relocatable object"));
  if (file.arch() != ArchId::x86_64)
    return Error::refused(cat(path, ": objects for machine ", file.header().e_machine, " are not supported yet"));
  ObjectGraph graph;
  graph.path = std::move(path);
  graph.arch = file.arch();
  graph.sections = TRY_WHILE(read_sections(file), cat("reading ", graph.path));
  TRY_WHILE(read_symbols(file, graph), cat("reading ", graph.path));
  if (graph.symbols.empty()) graph.symbols.emplace_back();
  for (const Elf64_Shdr &header : file.sections()) {
    if (header.sh_type == SHT_RELA) TRY_WHILE(read_edges(file, header, graph), cat("reading ", graph.path));
    if (header.sh_type == SHT_REL) return Error::refused(cat(graph.path, ": relocations without addends (SHT_REL)"));
  }
  // gcc marks so an object that holds intermediate code and nothing else; fat ones hold machine code as well.
  for (const ObjectSymbol &symbol : graph.symbols) graph.lto |= symbol.name == "__gnu_lto_slim";
  find_pointer_pools(graph);
  return graph;
}

}  // namespace suture
