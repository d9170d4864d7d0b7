#include "review/listing.h"

#include <algorithm>
#include <map>
#include <set>

#include "arch/arch.h"
#include "base/cat.h"
#include "elf/hot_file.h"
#include "elf/read_image.h"
#include "review/quoted.h"

namespace suture {

namespace {

using Names = std::map<uint64_t, std::string>;

// A stretch of code and how its PC-relative fields read.
struct CodeStretch {
  uint64_t address = 0;
  Bytes bytes;
};

// "foo.cold", "foo.cold.3": split off "foo".
bool is_split_off(std::string_view name, std::string_view whole) {
  return name.size() > whole.size() && name.starts_with(whole) && name.substr(whole.size()).starts_with(".cold");
}

class Lister {
 public:
  Lister(const HotImage &hot, const Image &base, const Arch &arch) : hot_(hot), base_(base), arch_(arch) {
    for (const Redirect &redirect : hot.redirects) base_names_[redirect.old_entry.value] = redirect.name;
    for (const HotSymbol &symbol : hot.symbols)
      if (symbol.function || symbol.size_bytes > 0) patch_names_.emplace(symbol.address.value, symbol.name);
    for (const Fixup &fixup : hot.fixups)
      if (fixup.kind == Fixup::Kind::base_rel32) base_fields_.insert(fixup.at.value);
  }

  void add_names(const ReviewImage &review) {
    for (const ReviewName &name : review.names) base_names_.emplace(name.address, name.name);
  }

  std::vector<FunctionListing> run() {
    std::vector<FunctionListing> out;
    for (const Redirect &redirect : hot_.redirects) {
      FunctionListing &listing = out.emplace_back();
      listing.name = redirect.name;
      for (const LinkRange &part : redirect.old_parts) append_old(part, listing.old_lines);
      append_new(redirect.name, redirect.target, listing.new_lines);
    }
    for (const HotSymbol &symbol : hot_.symbols)
      if (symbol.function && !listed_.contains(symbol.address.value) && !is_any_split_off(symbol.name) &&
          !is_stub(symbol.name)) {
        FunctionListing &listing = out.emplace_back();
        listing.name = symbol.name;
        append_new(symbol.name, symbol.address, listing.new_lines);
      }
    return out;
  }

 private:
  bool is_any_split_off(std::string_view name) const {
    return name.find(".cold") != std::string_view::npos &&
           std::any_of(hot_.symbols.begin(), hot_.symbols.end(),
                       [&](const HotSymbol &symbol) { return is_split_off(name, symbol.name); });
  }

  // A jump that the linker made for an import: nobody's source.
  static bool is_stub(std::string_view name) { return name.ends_with("@plt"); }

  void append_old(const LinkRange &range, std::vector<ListingLine> &lines) const {
    const ByteView bytes = base_.at(range.begin, range.size_bytes);
    CodeStretch stretch{range.begin.value, Bytes(bytes.begin(), bytes.end())};
    for (const Validation &validation : hot_.validations) put_back(validation, stretch);
    decode(
        stretch, [](uint64_t) { return true; }, lines);
  }

  // The coldpatch has jumps where the base has what the validation expects.
  static void put_back(const Validation &validation, CodeStretch &stretch) {
    for (size_t i = 0; i < validation.expected.size(); ++i) {
      const uint64_t at = validation.range.begin.value + i - stretch.address;
      if (at >= stretch.bytes.size()) continue;
      const uint8_t mask = validation.mask.empty() ? 0xff : validation.mask[i];
      stretch.bytes[at] = static_cast<uint8_t>((stretch.bytes[at] & ~mask) | (validation.expected[i] & mask));
    }
  }

  void append_new(const std::string &name, PatchOffset entry, std::vector<ListingLine> &lines) {
    for (const HotSymbol &symbol : hot_.symbols) {
      if (symbol.size_bytes == 0 || listed_.contains(symbol.address.value)) continue;
      const bool whole = entry.value - symbol.address.value < std::max<uint64_t>(symbol.size_bytes, 1);
      if (!whole && !is_split_off(symbol.name, name)) continue;
      listed_.insert(symbol.address.value);
      const auto in_base = [&](uint64_t field) { return base_fields_.contains(field); };
      decode({symbol.address.value, patch_bytes(symbol)}, in_base, lines);
    }
  }

  Bytes patch_bytes(const HotSymbol &symbol) const {
    for (const HotSegment &segment : hot_.segments) {
      const uint64_t into = symbol.address.value - segment.address.value;
      if (symbol.address < segment.address || into >= segment.bytes.size()) continue;
      const ByteView bytes = ByteView(segment.bytes).subspan(into);
      const ByteView own = bytes.first(std::min<uint64_t>(bytes.size(), symbol.size_bytes));
      return {own.begin(), own.end()};
    }
    return {};
  }

  // `in_base`: whether the field at an address holds a distance into the base image rather than within the patch.
  template <typename InBase>
  void decode(const CodeStretch &stretch, InBase in_base, std::vector<ListingLine> &lines) const {
    const ByteView bytes = stretch.bytes;
    for (size_t at = 0; at < bytes.size();) {
      const std::optional<Instruction> insn = arch_.decode(bytes.subspan(at));
      const size_t size = insn ? insn->size_bytes : 1;
      const uint64_t address = stretch.address + at;
      ListingLine line{address, mnemonic_text(bytes.subspan(at, std::min(size, bytes.size() - at)), address), {}};
      line.key = line.text;
      if (insn && insn->rel_bytes > 0) {
        const uint64_t target = address + size + static_cast<uint64_t>(insn->rel_value);
        name_target(line, target, in_base(address + insn->rel_offset) ? Space::base : Space::patch, stretch);
      }
      lines.push_back(std::move(line));
      at += size;
    }
  }

  // The architecture's text without the length behind it.
  std::string mnemonic_text(ByteView bytes, uint64_t address) const {
    std::string text = arch_.disassemble(bytes, address);
    if (const size_t length = text.rfind(" ("); length != std::string::npos) text.resize(length);
    return text;
  }

  enum class Space { base, patch };

  // Puts a name in place of the number. A jump within the function reads as the distance from its start, which its key
  // leaves out.
  void name_target(ListingLine &line, uint64_t target, Space space, const CodeStretch &stretch) const {
    const Names &names = space == Space::base ? base_names_ : patch_names_;
    const auto found = names.find(target);
    if (target - stretch.address < stretch.bytes.size())
      replace_number(line, target, fmt::format("+0x{:x}", target - stretch.address), "+");
    else if (found != names.end())
      replace_number(line, target, found->second, found->second);
    else if (const std::string text = space == Space::patch ? text_constant(target) : std::string(); !text.empty())
      replace_number(line, target, text, text);
    else if (space == Space::patch)
      replace_number(line, target, fmt::format("patch+0x{:x}", target), "patch");
    else
      replace_number(line, target, fmt::format("0x{:x}", target), fmt::format("0x{:x}", target));
  }

  // The text of a string constant that the patch carries, in quotes; empty when there is none.
  std::string text_constant(uint64_t at) const {
    constexpr size_t kMostLetters = 60;
    for (const HotSegment &segment : hot_.segments) {
      const uint64_t into = at - segment.address.value;
      if (at < segment.address.value || into >= segment.bytes.size()) continue;
      const std::string_view rest = as_text(ByteView(segment.bytes).subspan(into));
      const std::string_view text = rest.substr(0, std::min(rest.find('\0'), kMostLetters));
      const auto readable = [](char c) { return (c >= ' ' && c <= '~') || c == '\n' || c == '\t'; };
      if (text.size() < 2 || !std::all_of(text.begin(), text.end(), readable)) return {};
      return quoted(rest.substr(0, rest.find('\0')), kMostLetters);
    }
    return {};
  }

  static void replace_number(ListingLine &line, uint64_t number, const std::string &text, const std::string &key) {
    const std::string digits = fmt::format("0x{:016X}", number);
    const size_t at = line.text.find(digits);
    if (at == std::string::npos) return;
    line.key.replace(at, digits.size(), key);
    line.text.replace(at, digits.size(), text);
  }

  const HotImage &hot_;
  const Image &base_;
  const Arch &arch_;
  Names base_names_;
  Names patch_names_;
  std::set<uint64_t> base_fields_;
  std::set<uint64_t> listed_;
};

}  // namespace

Result<std::vector<FunctionListing>> list_functions(const PackageImage &image, const ReviewImage *names) {
  const HotImage hot = TRY_WHILE(read_hot_file(image.hot), cat("reading the hot patch of ", image.path));
  const Image base = TRY_WHILE(read_elf_image(image.cold, image.path), cat("reading the coldpatch of ", image.path));
  const Arch *arch = find_arch(hot.arch);
  if (arch == nullptr) return Error::refused(cat("architecture ", name_of(hot.arch), " is not supported yet"));
  Lister lister(hot, base, *arch);
  if (names != nullptr) lister.add_names(*names);
  return lister.run();
}

}  // namespace suture
