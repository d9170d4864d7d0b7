#include "debian/image_facts.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/cat.h"
#include "base/fd.h"
#include "base/file.h"
#include "elf/read_image.h"

namespace suture {
namespace {

constexpr size_t kMaxPathBytes = 400;

std::set<std::string> texts_in(ByteView bytes) {
  std::set<std::string> texts;
  std::string text;
  for (const uint8_t byte : bytes) {
    if (byte != 0) {
      text += static_cast<char>(byte);
    } else if (!text.empty()) {
      texts.insert(std::exchange(text, {}));
    }
  }
  if (!text.empty()) texts.insert(std::move(text));
  return texts;
}

}  // namespace

bool is_linked_file(const std::filesystem::path &file) {
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  unsigned char head[18];
  if (!fd || ::pread(fd.get(), head, sizeof head, 0) != static_cast<ssize_t>(sizeof head)) return false;
  return std::equal(head, head + SELFMAG, ELFMAG) && (head[16] == ET_EXEC || head[16] == ET_DYN) && head[17] == 0;
}

Result<ImageFacts> read_image_facts(const std::filesystem::path &file) {
  const Image image = TRY(read_elf_outline_file(file));
  ImageFacts facts;
  facts.executable = image.executable;
  facts.soname = image.soname;
  for (const std::string &library : image.needed) facts.names.insert(cat("needs ", library));
  for (const ImageSymbol &symbol : image.dynamic_symbols) {
    if (symbol.name.empty()) continue;
    facts.names.insert(cat(symbol.defined ? "+" : "-", symbol.name));
    if (symbol.defined && !symbol.version.empty())
      facts.versions.insert(cat(symbol.name, symbol.default_version ? "@@" : "@", symbol.version));
  }
  for (const ImageSection &section : image.sections) {
    if (section.name != ".comment" || section.no_bits || section.offset.value > image.bytes.size()) continue;
    const ByteView rest = ByteView(image.bytes).subspan(section.offset.value);
    facts.compilers = texts_in(rest.first(std::min<uint64_t>(rest.size(), section.size_bytes)));
  }
  return facts;
}

double likeness(const std::set<std::string> &a, const std::set<std::string> &b) {
  size_t both = 0;
  for (const std::string &name : a) both += b.count(name);
  const size_t any = a.size() + b.size() - both;
  return any == 0 ? 1 : static_cast<double>(both) / static_cast<double>(any);
}

Result<std::string> embedded_build_path(const std::filesystem::path &file, const std::string &source_folder) {
  const std::string text = TRY(read_text(file));
  const std::string end = "/" + source_folder;
  const auto ends_path = [&](size_t at) {
    const char c = at < text.size() ? text[at] : '\0';
    return c == '\0' || c == '/' || c == '=' || c == ' ' || c == '\'' || c == '"' || c == ':';
  };
  for (size_t at = text.find(end); at != std::string::npos; at = text.find(end, at + 1)) {
    if (!ends_path(at + end.size())) continue;
    size_t start = at;
    const auto in_path = [](char c) { return c > ' ' && c < 127 && c != '=' && c != '\'' && c != '"' && c != ':'; };
    while (start > 0 && at - start < kMaxPathBytes && in_path(text[start - 1])) --start;
    const std::string path = text.substr(start, at - start) + end;
    // Build daemons build below /build; "-I/x" and the like are no path of the tree itself.
    if (path.starts_with("/build/") && path.find("/../") == std::string::npos) return path;
  }
  return std::string();
}

}  // namespace suture
