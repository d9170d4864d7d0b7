#include "debian/version.h"

#include <algorithm>

#include "base/cat.h"

namespace suture {
namespace {

constexpr size_t kMaxNameBytes = 200;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// "~" sorts before the end of the text, letters before all other characters.
int order_of(std::string_view text, size_t at) {
  if (at >= text.size() || is_digit(text[at])) return 0;
  if (text[at] == '~') return -1;
  return is_letter(text[at]) ? text[at] : text[at] + 256;
}

int compare_part(std::string_view a, std::string_view b) {
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    while ((i < a.size() && !is_digit(a[i])) || (j < b.size() && !is_digit(b[j]))) {
      const int difference = order_of(a, i) - order_of(b, j);
      if (difference != 0) return difference;
      if (i < a.size()) ++i;
      if (j < b.size()) ++j;
    }
    const auto number = [](std::string_view text, size_t &at) {
      while (at < text.size() && text[at] == '0') ++at;
      const size_t start = at;
      while (at < text.size() && is_digit(text[at])) ++at;
      return text.substr(start, at - start);
    };
    const std::string_view x = number(a, i), y = number(b, j);
    if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
    if (const int difference = x.compare(y); difference != 0) return difference;
  }
  return 0;
}

struct Parts {
  std::string_view epoch, upstream, revision;
};

Parts parts_of(std::string_view version) {
  Parts parts;
  if (const size_t colon = version.find(':'); colon != std::string_view::npos) {
    parts.epoch = version.substr(0, colon);
    version.remove_prefix(colon + 1);
  }
  const size_t dash = version.rfind('-');
  parts.upstream = version.substr(0, dash);
  if (dash != std::string_view::npos) parts.revision = version.substr(dash + 1);
  return parts;
}

}  // namespace

bool is_package_name(std::string_view text) {
  const auto allowed = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '+' || c == '-' || c == '.';
  };
  return text.size() >= 2 && text.size() <= kMaxNameBytes && std::all_of(text.begin(), text.end(), allowed) &&
         (is_digit(text[0]) || is_letter(text[0]));
}

bool is_version(std::string_view text) {
  const auto allowed = [](char c) {
    return is_digit(c) || is_letter(c) || c == '+' || c == '-' || c == '.' || c == '~' || c == ':';
  };
  const std::string_view plain = text.substr(text.find(':') == std::string_view::npos ? 0 : text.find(':') + 1);
  return !plain.empty() && text.size() <= kMaxNameBytes && std::all_of(text.begin(), text.end(), allowed) &&
         is_digit(plain[0]);
}

Result<SourceName> parse_source_name(std::string_view text) {
  const size_t equals = text.find('=');
  SourceName name{std::string(text.substr(0, equals)), {}};
  if (!is_package_name(name.source)) return Error::usage(cat(name.source, " is no name of a source package"));
  if (equals == std::string_view::npos) return name;
  name.version = text.substr(equals + 1);
  if (!is_version(name.version)) return Error::usage(cat(name.version, " is no version of a Debian package"));
  return name;
}

std::string without_epoch(std::string_view version) {
  const size_t colon = version.find(':');
  return std::string(colon == std::string_view::npos ? version : version.substr(colon + 1));
}

std::string upstream_version(std::string_view version) {
  return std::string(parts_of(version).upstream);
}

int compare_versions(std::string_view a, std::string_view b) {
  const Parts x = parts_of(a), y = parts_of(b);
  if (const int epoch = compare_part(x.epoch, y.epoch); epoch != 0) return epoch;
  if (const int upstream = compare_part(x.upstream, y.upstream); upstream != 0) return upstream;
  return compare_part(x.revision, y.revision);
}

}  // namespace suture
