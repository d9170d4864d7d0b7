#include "pipeline/make_review.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/cat.h"
#include "base/file.h"
#include "build/line_diff.h"
#include "review/quoted.h"

namespace suture {

namespace {

namespace fs = std::filesystem;
using Kind = ObjectSection::Kind;

constexpr size_t kStringLetters = 60;                      // of a string constant that are shown
constexpr size_t kMostCallers = 200;                       // of one function
constexpr size_t kSourceContext = 5;                       // unchanged lines around a change
constexpr uint64_t kMostSourceBytes = uint64_t{16} << 20;  // of a file that is compared
// Where quilt keeps what its patches change, as it was before.
constexpr std::string_view kQuiltFolder = ".pc/";
constexpr size_t kMostSourceFiles = 500;

// The section's function or variable, or a string constant's text in quotes.
std::string readable(const Program &program, const Place &place) {
  if (place.kind != Place::Kind::item || program.section(place).kind != Kind::strings) return program.describe(place);
  const ByteView bytes = item_bytes(program.section(place), place.item);
  const std::string_view text = as_text(bytes.first(bytes.empty() ? 0 : bytes.size() - 1));
  return quoted(text, kStringLetters);
}

// Stubs and slots belong to a name: the place that the objects define it at, where they do.
Place defined_place(const Program &program, const Place &place) {
  return program.section_of(place).value_or(place);
}

bool is_code(const Program &program, const Place &place) {
  return place.kind == Place::Kind::section && program.section(place).kind == Kind::code;
}

class ImageReviewer {
 public:
  ImageReviewer(const LinkedImage &linked, const DiffInput &input, const MadePatch &made)
      : linked_(linked), in_(input), made_(made) {}

  ReviewImage run() {
    find_callers();
    name_stubs();
    for (const PatchedFunction &function : made_.functions) {
      if (out_.functions.size() == kMaxReviewEntries) break;
      add(function);
    }
    for (const auto &[address, name] : names_)
      if (out_.names.size() < kMaxReviewEntries) out_.names.push_back({address, name});
    return std::move(out_);
  }

 private:
  void add(const PatchedFunction &function) {
    ReviewFunction review;
    review.name = function.name;
    review.object = in_.post->program().object(function.post.object).path;
    review.reason = function.reason;
    for (const ObjectPair &pair : linked_.objects)
      if (pair.name == review.object) review.source = pair.source_file;
    review.references = references_of(function.post);
    if (function.pre) {
      note_names(*in_.pre, *function.pre);
      const auto found = callers_.find(*function.pre);
      if (found != callers_.end()) review.callers.assign(found->second.begin(), found->second.end());
    }
    out_.functions.push_back(std::move(review));
  }

  std::vector<ReviewReference> references_of(const Place &place) {
    const Program &program = in_.post->program();
    std::set<ReviewReference> references;
    const ObjectSection &section = program.section(place);
    for (uint32_t e = 0; e < section.edges.size(); ++e) {
      const Reference reference = in_.post->reference(place.object, place.section, e);
      const Place to = defined_place(program, reference.place);
      if (to == place) continue;
      references.insert({readable(program, reference.place), how(program, reference), comes_along(to)});
      note_base_name(*in_.post, reference);
    }
    return {references.begin(), references.end()};
  }

  static std::string how(const Program &program, const Reference &reference) {
    switch (reference.access) {
      case Access::plt:
        return "call";
      case Access::got:
        return "import";
      case Access::address:
        return is_code(program, reference.place) ? "call" : "address";
      default:
        return "tls";
    }
  }

  bool comes_along(const Place &post) const {
    if (made_.carried.contains(post)) return true;
    return post.kind == Place::Kind::section && in_.comparison->of(post.object, post.section) == Change::added;
  }

  void name_stubs() {
    std::map<uint64_t, std::string> slots;
    for (const DynamicReloc &reloc : in_.image->relocs)
      if (reloc.symbol != 0) slots.emplace(reloc.at.value, in_.image->dynamic_symbols[reloc.symbol].name);
    for (const PltEntry &entry : in_.image->plt)
      if (const auto slot = slots.find(entry.slot.value); slot != slots.end())
        names_.emplace(entry.stub.value, slot->second);
  }

  // Addresses of the base that the old function's own fields hold.
  void note_names(CodeCache &side, const Place &place) {
    const ObjectSection &section = side.program().section(place);
    for (uint32_t e = 0; e < section.edges.size(); ++e)
      note_solved(side.program(), side.reference(place.object, place.section, e));
  }

  void note_base_name(CodeCache &post, const Reference &reference) {
    Reference in_pre = reference;
    const auto twin = Comparison::pre_place(in_.pre->program(), post.program(), *in_.twins, reference.place);
    if (!twin) return;
    in_pre.place = *twin;
    note_solved(in_.pre->program(), in_pre);
  }

  void note_solved(const Program &pre, const Reference &reference) {
    const SolvedValue *value = in_.solution->value(reference.place, reference.access);
    if (value == nullptr || value->conflict) return;
    std::string name = readable(pre, reference.place);
    if (reference.access == Access::got) name += "@got";
    if (reference.offset > 0 && reference.place.kind != Place::Kind::item)
      name += cat("+", hex(static_cast<uint64_t>(reference.offset)));
    if (reference.offset < 0) return;
    names_.emplace(value->value + static_cast<uint64_t>(reference.offset), std::move(name));
  }

  // One pass over all references of the pre objects.
  void find_callers() {
    std::set<Place> wanted;
    for (const PatchedFunction &function : made_.functions)
      if (function.pre) wanted.insert(*function.pre);
    const Program &pre = in_.pre->program();
    for (uint32_t o = 0; o < pre.object_count(); ++o)
      for (uint32_t s = 1; s < pre.object(o).sections.size(); ++s) {
        const ObjectSection &section = pre.object(o).sections[s];
        if (!section.loaded() || section.kind == Kind::unwind) continue;
        const Place from = pre.section_place(o, s);
        if (from.object != o || from.section != s) continue;  // a dropped COMDAT copy
        for (const Edge &edge : section.edges) {
          const Place to = defined_place(pre, pre.reference(o, edge, 0).place);
          if (to == from || !wanted.contains(to)) continue;
          std::set<std::string> &callers = callers_[to];
          if (callers.size() < kMostCallers) callers.insert(pre.describe(from));
        }
      }
  }

  const LinkedImage &linked_;
  const DiffInput &in_;
  const MadePatch &made_;
  ReviewImage out_;
  std::map<Place, std::set<std::string>> callers_;
  std::map<uint64_t, std::string> names_;
};

bool looks_like_text(std::string_view text) {
  return text.substr(0, 8192).find('\0') == std::string_view::npos;
}

void append_lines(std::string &out, char kind, const std::vector<std::string_view> &lines, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) {
    std::string_view line = lines[i];
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.size() > kMaxReviewNameBytes / 4) line = line.substr(0, kMaxReviewNameBytes / 4);
    out += kind;
    out += line;
    out += '\n';
  }
}

// Changes that stand close together share their context.
std::vector<ReviewHunk> make_hunks(const std::vector<std::string_view> &pre, const std::vector<std::string_view> &post,
                                   bool &shortened) {
  std::vector<ReviewHunk> hunks;
  const std::vector<DiffHunk> changes = diff_lines(pre, post);
  size_t bytes = 0;
  for (size_t i = 0; i < changes.size();) {
    const size_t lead = std::min(changes[i].pre_begin, kSourceContext);
    ReviewHunk hunk{changes[i].pre_begin - lead + 1, changes[i].post_begin - lead + 1, {}};
    append_lines(hunk.lines, ' ', pre, changes[i].pre_begin - lead, changes[i].pre_begin);
    for (;; ++i) {
      const DiffHunk &change = changes[i];
      append_lines(hunk.lines, '-', pre, change.pre_begin, change.pre_begin + change.pre_count);
      append_lines(hunk.lines, '+', post, change.post_begin, change.post_begin + change.post_count);
      const size_t behind = change.pre_begin + change.pre_count;
      const bool near = i + 1 < changes.size() && changes[i + 1].pre_begin - behind <= 2 * kSourceContext;
      append_lines(hunk.lines, ' ', pre, behind,
                   near ? changes[i + 1].pre_begin : std::min(pre.size(), behind + kSourceContext));
      if (!near) break;
    }
    ++i;
    bytes += hunk.lines.size();
    shortened = bytes > kMaxReviewFileBytes;
    if (shortened) break;
    hunks.push_back(std::move(hunk));
  }
  return hunks;
}

std::string read_or_empty(const fs::path &path) {
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(path, error)) || fs::file_size(path, error) > kMostSourceBytes) return {};
  const Result<std::string> text = read_text(path);
  return text ? *text : std::string();
}

}  // namespace

ReviewImage review_image(const std::string &path, const LinkedImage &linked, const DiffInput &input,
                         const MadePatch &made) {
  ReviewImage image = ImageReviewer(linked, input, made).run();
  image.path = path;
  return image;
}

std::vector<ReviewFile> review_sources(const fs::path &pre, const fs::path &post,
                                       const std::vector<TreeChange> &changes) {
  std::vector<ReviewFile> files;
  for (const TreeChange &change : changes) {
    if (files.size() == kMostSourceFiles) break;
    if (change.path.starts_with(kQuiltFolder)) continue;
    ReviewFile &file = files.emplace_back();
    file.path = change.path;
    file.change = change.kind == TreeChangeKind::added     ? "added"
                  : change.kind == TreeChangeKind::removed ? "removed"
                                                           : "changed";
    const std::string before = read_or_empty(pre / change.path);
    const std::string after = read_or_empty(post / change.path);
    if (looks_like_text(before) && looks_like_text(after))
      file.hunks = make_hunks(split_lines(before), split_lines(after), file.shortened);
  }
  return files;
}

}  // namespace suture
