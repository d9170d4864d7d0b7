#include "debian/control_file.h"

#include <algorithm>

#include "base/cat.h"

namespace suture {
namespace {

constexpr size_t kMaxControlBytes = 256u << 20;
constexpr size_t kMaxStanzas = 1u << 20;

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") + 1 - first);
}

}  // namespace

const std::string &Stanza::get(const std::string &field) const {
  static const std::string nothing;
  const auto found = fields_.find(field);
  return found == fields_.end() ? nothing : found->second;
}

Result<std::vector<Stanza>> parse_control(std::string_view text) {
  if (text.size() > kMaxControlBytes) return Error::corrupt("a control file of more than 256 MiB");
  std::vector<Stanza> stanzas;
  Stanza stanza;
  std::string field;
  size_t number = 0;
  const auto finish = [&] {
    if (!stanza.empty()) stanzas.push_back(std::exchange(stanza, {}));
    field.clear();
  };
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    ++number;
    if (trimmed(line).empty()) {
      finish();
      if (stanzas.size() > kMaxStanzas) return Error::corrupt("a control file of more than a million stanzas");
    } else if (line[0] == ' ' || line[0] == '\t') {
      if (field.empty()) return Error::corrupt(cat("control file, line ", number, ": continues no field"));
      stanza.append_line(field, trimmed(line));
    } else if (line[0] != '#') {
      const size_t colon = line.find(':');
      if (colon == std::string_view::npos || colon == 0)
        return Error::corrupt(cat("control file, line ", number, ": is no field"));
      field = line.substr(0, colon);
      std::transform(field.begin(), field.end(), field.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      stanza.set(field, std::string(trimmed(line.substr(colon + 1))));
    }
  }
  finish();
  return stanzas;
}

std::vector<std::string> words_of(std::string_view value) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : value) {
    if (c != ' ' && c != '\t' && c != '\n' && c != ',') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

}  // namespace suture
