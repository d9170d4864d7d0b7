#include "cli/table.h"

#include <algorithm>

#include "base/cat.h"
#include "base/demangle.h"
#include "base/utf8.h"

namespace suture::cli {

namespace {

size_t width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = utf8_sequence_bytes(text);
    if (length == 0 || is_control_sequence(text.substr(0, length))) {
      const size_t bad = std::max<size_t>(length, 1);
      for (const char c : text.substr(0, bad)) out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
      text.remove_prefix(bad);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

std::string readable(std::string_view text) { return printable(with_readable_names(text)); }

std::string human_size(uint64_t bytes) {
  if (bytes < 1024) return cat(bytes, " B");
  static constexpr const char *kUnits[] = {"KiB", "MiB", "GiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string Table::text(size_t indent) const {
  std::vector<size_t> widths;
  for (const auto &row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(printable(row[i])));
  }
  std::string out;
  for (const auto &row : rows_) {
    std::string line(indent, ' ');
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string cell = printable(row[i]);
      line += cell;
      if (i + 1 < row.size()) line.append(widths[i] - width(cell) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace suture::cli
