#include "review/quoted.h"

#include <fmt/format.h>

namespace suture {

namespace {

std::string letter(char c) {
  switch (c) {
    case '\n':
      return "\\n";
    case '\t':
      return "\\t";
    case '\r':
      return "\\r";
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    default:
      break;
  }
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
}

}  // namespace

std::string quoted(std::string_view text, size_t most) {
  std::string out = "\"";
  for (const char c : text.substr(0, most)) out += letter(c);
  return out + (text.size() > most ? "...\"" : "\"");
}

}  // namespace suture
