#include "build/archive.h"

#include <charconv>

#include "base/byte_reader.h"
#include "base/cat.h"

namespace suture {
namespace {

constexpr std::string_view kMagic = "!<arch>\n";
constexpr std::string_view kThinMagic = "!<thin>\n";
constexpr size_t kHeaderBytes = 60;  // name 16, date 12, uid 6, gid 6, mode 8, size 10, "`\n" 2
constexpr size_t kMaxMembers = 1u << 20;

std::optional<uint64_t> decimal(std::string_view field) {
  const size_t last = field.find_last_not_of(' ');
  if (last == std::string_view::npos) return std::nullopt;
  field = field.substr(0, last + 1);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size()) return std::nullopt;
  return value;
}

// "name/" in place, or "/offset" into the table of long names, where names end in "/\n".
std::optional<std::string> member_name(std::string_view field, std::string_view long_names) {
  const size_t last = field.find_last_not_of(' ');
  field = last == std::string_view::npos ? std::string_view() : field.substr(0, last + 1);
  if (!field.starts_with("/")) {
    if (field.ends_with("/")) field.remove_suffix(1);
    return std::string(field);
  }
  // A thin archive within an archive adds ":offset"; the name itself is the same.
  const std::optional<uint64_t> offset = decimal(field.substr(1, field.find(':') - 1));
  if (!offset || *offset >= long_names.size()) return std::nullopt;
  std::string_view name = long_names.substr(static_cast<size_t>(*offset));
  name = name.substr(0, name.find('\n'));
  if (name.ends_with("/")) name.remove_suffix(1);
  return std::string(name);
}

}  // namespace

bool is_archive(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  return text.starts_with(kMagic) || text.starts_with(kThinMagic);
}

Result<std::vector<ArchiveMember>> list_archive(ByteView bytes) {
  if (!is_archive(bytes)) return Error::corrupt("not an ar archive");
  const bool thin = as_text(bytes).starts_with(kThinMagic);
  std::vector<ArchiveMember> members;
  std::string_view long_names;
  ByteReader reader(bytes);
  reader.skip(kMagic.size());
  while (reader.remaining() >= kHeaderBytes) {
    const size_t at = reader.offset();
    const std::string_view header = as_text(reader.take(kHeaderBytes));
    const std::optional<uint64_t> size = decimal(header.substr(48, 10));
    if (!size || header.substr(58) != "`\n") return Error::corrupt(cat("archive: no member header at offset ", at));
    const std::string_view field = header.substr(0, 16);
    const bool table = field.starts_with("/ ") || field.starts_with("/SYM64/");
    const bool names = field.starts_with("// ");
    // The tables are stored in a thin archive too; only the members' bytes are elsewhere.
    const ByteView content = thin && !table && !names ? ByteView() : reader.take(*size);
    if (!reader.ok()) return Error::corrupt(cat("archive: the member at offset ", at, " is cut off"));
    if (reader.offset() % 2 != 0 && reader.remaining() > 0) reader.skip(1);
    if (names) long_names = as_text(content);
    if (table || names) continue;
    const std::optional<std::string> name = member_name(field, long_names);
    if (!name) return Error::corrupt(cat("archive: the member at offset ", at, " has no name"));
    if (members.size() >= kMaxMembers) return Error::corrupt("archive: too many members");
    members.push_back({*name, content, thin ? std::filesystem::path(*name) : std::filesystem::path()});
  }
  return members;
}

}  // namespace suture
