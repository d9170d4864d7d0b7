#include "base/demangle.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace suture {

namespace {

// The demangler recurses, and a short name can stand for a very long one: of both, more than this helps no reader.
constexpr size_t kMaxMangledBytes = 2048;
constexpr size_t kMaxReadableBytes = 8192;
constexpr std::string_view kMangledPrefix = "_Z";

struct FreeText {
  void operator()(char *text) const { std::free(text); }
};

bool is_name_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '$' || c == '.';
}

// In front of a name stands none of its characters, but for sections called after it (.text._ZN...).
bool begins_a_name(std::string_view text, size_t at) {
  return at == 0 || !is_name_character(text[at - 1]) || text[at - 1] == '.';
}

}  // namespace

std::string readable_name(std::string_view name) {
  if (!name.starts_with(kMangledPrefix) || name.size() > kMaxMangledBytes) return std::string(name);
  const size_t dot = name.find('.');
  const std::string mangled(name.substr(0, dot));
  int status = 0;
  const std::unique_ptr<char, FreeText> plain(abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status));
  if (status != 0 || plain == nullptr) return std::string(name);
  std::string out = plain.get();
  if (out.size() > kMaxReadableBytes) return std::string(name);
  if (dot != std::string_view::npos) out.append(" [").append(name.substr(dot)).append("]");
  return out;
}

bool names_it(std::string_view given, std::string_view name) {
  if (given.empty()) return false;
  if (given == name || given == readable_name(name)) return true;
  const size_t mark = name.find(".llvm.");
  return mark != std::string_view::npos && names_it(given, name.substr(0, mark));
}

std::string with_readable_names(std::string_view text) {
  std::string out;
  size_t from = 0;
  for (size_t at = text.find(kMangledPrefix); at != std::string_view::npos; at = text.find(kMangledPrefix, at + 1)) {
    if (at < from || !begins_a_name(text, at)) continue;
    size_t end = at;
    while (end < text.size() && is_name_character(text[end])) ++end;
    while (end > at && text[end - 1] == '.') --end;  // the end of a sentence
    out.append(text.substr(from, at - from)).append(readable_name(text.substr(at, end - at)));
    from = end;
  }
  return out.append(text.substr(from));
}

}  // namespace suture
