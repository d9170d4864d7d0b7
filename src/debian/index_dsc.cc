#include "debian/index_dsc.h"

#include "base/cat.h"

namespace suture {
namespace {

// What dpkg-source and apt's build-dep read; the index calls "Package" what a .dsc calls "Source".
constexpr const char *kPlainFields[] = {"Format", "Binary", "Architecture", "Version", "Maintainer", "Standards-Version"};
constexpr const char *kRelations[] = {"Build-Depends",   "Build-Depends-Arch",   "Build-Depends-Indep",
                                      "Build-Conflicts", "Build-Conflicts-Arch", "Build-Conflicts-Indep"};
constexpr const char *kListedFiles[] = {"Checksums-Sha256", "Files"};

std::string lower(std::string text) {
  for (char &c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return text;
}

void add_field(const char *name, const std::string &value, std::string &text) {
  if (value.empty()) return;
  text += cat(name, ": ");
  for (const char c : value) text += c == '\n' ? std::string("\n ") : std::string(1, c);
  text += "\n";
}

// "digest size name" a line; the index lists the .dsc itself among them.
std::string without_dsc(const std::string &list) {
  std::string kept;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find('\n', at), list.size());
    const std::string line = list.substr(at, end - at);
    if (!line.empty() && !line.ends_with(".dsc")) kept += "\n" + line;
    at = end + 1;
  }
  return kept;
}

}  // namespace

Result<std::string> dsc_from_index(const Stanza &stanza) {
  std::string text;
  for (const char *needed : {"package", "format", "version", "checksums-sha256", "files"})
    if (stanza.get(needed).empty()) return Error::refused(cat("the mirror's index does not tell the ", needed, " of ", stanza.get("package")));
  add_field("Source", stanza.get("package"), text);
  for (const char *field : kPlainFields) add_field(field, stanza.get(lower(field)), text);
  for (const char *field : kRelations) add_field(field, stanza.get(lower(field)), text);
  for (const char *field : kListedFiles) add_field(field, without_dsc(stanza.get(lower(field))), text);
  return text;
}

}  // namespace suture
