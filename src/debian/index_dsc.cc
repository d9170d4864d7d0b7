#include "debian/index_dsc.h"

#include <map>
#include <vector>

#include "base/cat.h"

namespace suture {
namespace {

// What dpkg-source and apt's build-dep read; the index calls "Package" what a .dsc calls "Source".
constexpr const char *kPlainFields[] = {"Format",  "Binary",     "Architecture",
                                        "Version", "Maintainer", "Standards-Version"};
constexpr const char *kRelations[] = {"Build-Depends",   "Build-Depends-Arch",   "Build-Depends-Indep",
                                      "Build-Conflicts", "Build-Conflicts-Arch", "Build-Conflicts-Indep"};

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
std::vector<std::vector<std::string>> files_of(const std::string &list) {
  std::vector<std::vector<std::string>> files;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find('\n', at), list.size());
    std::vector<std::string> words = words_of(std::string_view(list).substr(at, end - at));
    at = end + 1;
    if (words.size() == 3 && !words[2].ends_with(".dsc")) files.push_back(std::move(words));
  }
  return files;
}

}  // namespace

Result<std::string> dsc_from_index(const Stanza &stanza,
                                   const std::function<Result<std::string>(const std::string &)> &md5_of) {
  std::string text;
  for (const char *needed : {"package", "format", "version", "checksums-sha256"})
    if (stanza.get(needed).empty())
      return Error::refused(cat("the mirror's index does not tell the ", needed, " of ", stanza.get("package")));
  add_field("Source", stanza.get("package"), text);
  for (const char *field : kPlainFields) add_field(field, stanza.get(lower(field)), text);
  for (const char *field : kRelations) add_field(field, stanza.get(lower(field)), text);
  std::map<std::string, std::string> md5;
  for (const auto &words : files_of(stanza.get("files"))) md5[words[2]] = words[0];
  std::string sums, files;
  for (const auto &words : files_of(stanza.get("checksums-sha256"))) {
    if (md5[words[2]].empty()) md5[words[2]] = TRY(md5_of(words[2]));
    sums += cat("\n", words[0], " ", words[1], " ", words[2]);
    files += cat("\n", md5[words[2]], " ", words[1], " ", words[2]);
  }
  add_field("Checksums-Sha256", sums, text);
  add_field("Files", files, text);
  return text;
}

}  // namespace suture
