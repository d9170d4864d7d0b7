#include "build/link_view.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>

#include "base/byte_reader.h"
#include "base/cat.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/hash.h"
#include "build/object_store.h"
#include "build/tree.h"
#include "elf/build_id.h"

namespace suture {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kMaxRelocatableDepth = 8;
constexpr uint64_t kMaxIndexBytes = 256u << 20;
constexpr uint16_t kMaxProgramHeaders = 1024;
constexpr uint64_t kMaxNoteBytes = 1u << 20;

bool is_linked_elf(int fd) {
  unsigned char head[18];
  if (::pread(fd, head, sizeof head, 0) != static_cast<ssize_t>(sizeof head)) return false;
  if (std::string_view(reinterpret_cast<const char *>(head), 4) != "\177ELF") return false;
  return head[16] == ET_EXEC || head[16] == ET_DYN;
}

// Reads at most that many bytes at that place; what the file does not have is left out.
Bytes read_at(int fd, uint64_t offset, uint64_t size_bytes) {
  Bytes bytes(size_bytes);
  const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return bytes;
}

struct NoteSegment {
  uint64_t offset = 0, size_bytes = 0, alignment = 0;
};

// A build made the file, so it is read with bounds and by nobody else's parser. Little-endian, of either class.
std::vector<NoteSegment> note_segments(int fd) {
  const Bytes head = read_at(fd, 0, sizeof(Elf64_Ehdr));
  if (head.size() <= EI_CLASS) return {};
  const bool wide = head[EI_CLASS] == ELFCLASS64;
  ByteReader header(head);
  header.seek(wide ? offsetof(Elf64_Ehdr, e_phoff) : offsetof(Elf32_Ehdr, e_phoff));
  const uint64_t table = wide ? header.u64() : header.u32();
  header.seek(wide ? offsetof(Elf64_Ehdr, e_phnum) : offsetof(Elf32_Ehdr, e_phnum));
  const uint16_t count = header.u16();
  if (!header.ok() || count > kMaxProgramHeaders) return {};
  const Bytes bytes = read_at(fd, table, count * (wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)));
  std::vector<NoteSegment> notes;
  ByteReader reader(bytes);
  for (uint16_t i = 0; i < count && reader.ok(); ++i) {
    const bool is_note = reader.u32() == PT_NOTE;
    if (wide) reader.skip(4);  // p_flags, which is near the end in the other class
    const auto word = [&] { return wide ? reader.u64() : reader.u32(); };
    NoteSegment note;
    note.offset = word();
    for (int skipped = 0; skipped < 2; ++skipped) (void)word();  // addresses
    note.size_bytes = word();
    (void)word();  // size in memory
    if (!wide) reader.skip(4);
    note.alignment = word();
    if (is_note && reader.ok() && note.size_bytes <= kMaxNoteBytes) notes.push_back(note);
  }
  return notes;
}

std::string build_id_of_fd(int fd) {
  for (const NoteSegment &note : note_segments(fd)) {
    const Bytes notes = read_at(fd, note.offset, note.size_bytes);
    if (const ByteView id = find_build_id(notes, note.alignment); !id.empty()) return to_hex(id);
  }
  return {};
}

// Our own look at a file is not to be taken for a use of it (unused_outputs.h). Only owners may ask for that.
Fd open_unnoticed(const fs::path &file) {
  Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOATIME));
  if (!fd && errno == EPERM) fd = Fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  return fd;
}

}  // namespace

std::string build_id_of_file(const fs::path &file) {
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  return fd && is_linked_elf(fd.get()) ? build_id_of_fd(fd.get()) : std::string();
}

std::string machine_of_file(const fs::path &file) {
  constexpr size_t kIdentity = 7;        // e_ident up to the operating system: class, byte order, version
  constexpr size_t kMachineOffset = 18;  // e_machine
  char head[kMachineOffset + 2] = {};
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd || ::pread(fd.get(), head, sizeof head, 0) != sizeof head) return {};
  return std::string(head, kIdentity) + std::string(head + kMachineOffset, 2);
}

Result<OutputIndex> index_outputs(const fs::path &tree) {
  OutputIndex index;
  std::error_code error;
  const fs::path root = fs::canonical(tree, error);
  fs::recursive_directory_iterator it(tree, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    std::error_code gone;  // a build's background job may still remove its files
    if (!it->is_regular_file(gone)) continue;
    if (it->is_symlink(gone) && target_within(root, it->path()).empty()) continue;  // libtool makes links beside a library
    const Fd fd = open_unnoticed(it->path());
    if (fd && is_linked_elf(fd.get()))
      index.build_id_of[it->path().lexically_relative(tree).string()] = build_id_of_fd(fd.get());
  }
  if (error) return Error::failed(cat("cannot list ", tree.string(), ": ", error.message()));
  return index;
}

Status write_index(const fs::path &file, const OutputIndex &index) {
  return write_file_quick(file, as_bytes(Json(index.build_id_of).dump(1, ' ', false, Json::error_handler_t::replace)));
}

Result<OutputIndex> read_index(const fs::path &file) {
  const Json json = Json::parse(TRY(read_text(file, kMaxIndexBytes)), nullptr, false);
  OutputIndex index;
  if (!json.is_object()) return Error::corrupt(cat(file.string(), " is not an index of outputs"));
  for (const auto &[path, id] : json.items())
    index.build_id_of[path] = id.is_string() ? id.get<std::string>() : std::string();
  return index;
}

LinkView::LinkView(Records records, fs::path tree, fs::path store)
    : records_(std::move(records)), tree_(std::move(tree)), store_(std::move(store)) {
  for (const LinkRecord &link : records_.links) {
    by_output_[link.output] = &link;
    if (link.kind == LinkKind::relocatable) relocatable_by_content_[link.output_content] = &link;
  }
  for (CompileRecord &compile : records_.compiles) {
    compile.dependencies = std::vector<std::string>();  // they take most of the memory, and no link needs them; `{}` would keep the room
    compiles_by_content_.emplace(compile.output_content, &compile);
  }
}

std::string LinkView::relative(const std::string &path) const {
  const fs::path below = path_below(tree_, path);
  return below.empty() ? path : below.string();
}

const LinkRecord *LinkView::link_of_build_id(const std::string &build_id) const {
  if (build_id.empty()) return nullptr;
  const ObjectStore store(store_);
  for (auto link = records_.links.rbegin(); link != records_.links.rend(); ++link)
    if (link->kind != LinkKind::relocatable && build_id_of_file(store.path_of(link->output_content)) == build_id)
      return &*link;
  return nullptr;
}

const LinkRecord *LinkView::link_of(const std::string &output, const OutputIndex &index) const {
  const auto found = by_output_.find((tree_ / output).lexically_normal().string());
  const LinkRecord *link = found == by_output_.end() ? nullptr : found->second;
  const auto indexed = index.build_id_of.find(output);
  if (indexed == index.build_id_of.end() || indexed->second.empty()) return link;
  // The index says what lies there now; the link to that very path may be older than a rename over it.
  if (link != nullptr && build_id_of_file(ObjectStore(store_).path_of(link->output_content)) == indexed->second)
    return link;
  const LinkRecord *renamed = link_of_build_id(indexed->second);
  return renamed != nullptr ? renamed : link;
}

void LinkView::keep_those_like(const std::string &shipped_path, std::set<const LinkRecord *> &candidates) const {
  const ObjectStore store(store_);
  const auto keep = [&](auto fact) {
    const auto wanted = fact(fs::path(shipped_path));
    std::set<const LinkRecord *> alike;
    for (const LinkRecord *link : candidates)
      if (fact(store.path_of(link->output_content)) == wanted) alike.insert(link);
    if (!alike.empty()) candidates = std::move(alike);
  };
  // A package may build for several machines (zlib's 32-bit libraries), or in several flavours.
  keep(machine_of_file);
  keep([](const fs::path &file) { return build_id_of_file(file); });
}

Result<const LinkRecord *> LinkView::link_of_shipped(const std::string &shipped_path, const OutputIndex &index) const {
  const std::string name = fs::path(shipped_path).filename().string();
  std::set<const LinkRecord *> candidates;
  for (const auto &[output, link] : by_output_)
    if (link->kind != LinkKind::relocatable && fs::path(output).filename() == name) candidates.insert(link);
  // Only where no link made a file of that name: two links may well share a build-id (it does not cover debug information).
  if (candidates.empty())
    for (const auto &[path, id] : index.build_id_of)
      if (fs::path(path).filename() == name)
        if (const LinkRecord *link = link_of_build_id(id)) candidates.insert(link);
  if (candidates.size() > 1) {
    // The same link made twice (a build directory per flavour would differ in content) is one.
    std::map<std::string, const LinkRecord *> by_content;
    for (const LinkRecord *link : candidates) by_content[link->output_content] = link;
    candidates.clear();
    for (const auto &[content, link] : by_content) candidates.insert(link);
  }
  if (candidates.size() > 1) keep_those_like(shipped_path, candidates);
  if (candidates.size() == 1) return *candidates.begin();
  if (candidates.empty()) {
    std::string made;
    size_t count = 0;
    for (const auto &[output, link] : by_output_)
      if (link->kind != LinkKind::relocatable && ++count <= 20) made += cat(made.empty() ? "" : ", ", relative(output));
    return Error::refused(cat("the build makes no file named ", name,
                              count == 0 ? "; it linked nothing that was seen" : "; it links ", made))
        .with_next(cat("name the build's output: --image ", shipped_path, "=PATH-IN-TREE"));
  }
  std::string names;
  for (const LinkRecord *link : candidates) names += cat(names.empty() ? "" : ", ", relative(link->output));
  return Error::refused(cat("the build makes several files named ", name, ": ", names))
      .with_next(cat("name the one that is shipped: --image ", shipped_path, "=PATH-IN-TREE"));
}

void LinkView::expand(const LinkRecord &link, int depth, std::vector<LinkInput> &out) const {
  for (const LinkInput &input : link.inputs) {
    const auto inner = relocatable_by_content_.find(input.content);
    // Only an output used exactly as ld -r left it is seen through: objcopy may have hidden or renamed symbols in it.
    if (inner != relocatable_by_content_.end() && depth < kMaxRelocatableDepth && !inner->second->inputs.empty())
      expand(*inner->second, depth + 1, out);
    else
      out.push_back(input);
  }
}

std::vector<LinkInput> LinkView::objects_of(const LinkRecord &link) const {
  std::vector<LinkInput> out;
  expand(link, 0, out);
  return out;
}

std::string LinkView::source_of(const LinkInput &input) const {
  if (!input.source.empty()) return relative(input.source);
  const auto [first, last] = compiles_by_content_.equal_range(input.content);
  const CompileRecord *best = nullptr;
  for (auto it = first; it != last; ++it) {
    // Several sources may give equal objects; the one compiled to this very path is meant.
    const bool same_path = it->second->output == input.path;
    const bool same_member =
        !input.member.empty() && fs::path(it->second->output).filename() == fs::path(input.member).filename();
    if (best == nullptr || same_path || same_member) best = it->second;
  }
  return best == nullptr || best->sources.empty() ? std::string() : relative(best->sources.front());
}

}  // namespace suture
