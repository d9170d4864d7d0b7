#include "build/dwarf_types.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/cat.h"
#include "base/file.h"
#include "build/diff_types.h"
#include "build/read_types.h"
#include "package/contained.h"

namespace suture {

namespace {

constexpr uint64_t kMaxAnswerBytes = uint64_t{64} << 20;
constexpr uint64_t kMaxObjectBytes = uint64_t{1} << 30;

// What the contained process says about one pair.
struct Answer {
  std::string unreadable;  // why, when it is
  std::vector<LayoutChange> layouts;
  std::vector<SignatureChange> signatures;
  std::vector<std::string> notes;         // about types and functions
  std::vector<std::string> object_notes;  // about the object itself
};

// The answer's form in the pipe: for each item its kind and its texts.
enum class Item : uint8_t { unreadable = 1, layout, signature, external_signature, note, object_note, end };

void write_item(ByteWriter &out, Item kind, std::initializer_list<std::string_view> texts) {
  out.u8(static_cast<uint8_t>(kind));
  for (const std::string_view text : texts) out.c_string(text.substr(0, text.find('\0')));
}

Bytes encode(const Answer &answer) {
  ByteWriter out;
  if (!answer.unreadable.empty()) write_item(out, Item::unreadable, {answer.unreadable});
  for (const LayoutChange &change : answer.layouts) write_item(out, Item::layout, {change.keyword, change.type, change.detail, change.declared_at, change.function});
  for (const SignatureChange &change : answer.signatures)
    write_item(out, change.external ? Item::external_signature : Item::signature, {change.function, change.detail});
  for (const std::string &note : answer.notes) write_item(out, Item::note, {note});
  for (const std::string &note : answer.object_notes) write_item(out, Item::object_note, {note});
  write_item(out, Item::end, {});
  return std::move(out).take();
}

Result<Answer> decode(ByteView bytes) {
  Answer answer;
  ByteReader in(bytes);
  const auto text = [&] { return std::string(in.c_string()); };
  while (in.ok()) {
    const Item kind = static_cast<Item>(in.u8());
    switch (kind) {
      case Item::unreadable: answer.unreadable = text(); break;
      case Item::layout: {
        LayoutChange &change = answer.layouts.emplace_back();
        for (std::string *field : {&change.keyword, &change.type, &change.detail, &change.declared_at, &change.function}) *field = text();
        break;
      }
      case Item::signature:
      case Item::external_signature: {
        SignatureChange &change = answer.signatures.emplace_back();
        change.function = text();
        change.detail = text();
        change.external = kind == Item::external_signature;
        break;
      }
      case Item::note: answer.notes.push_back(text()); break;
      case Item::object_note: answer.object_notes.push_back(text()); break;
      case Item::end:
        if (in.ok() && in.at_end()) return answer;
        return Error::corrupt("its report is malformed");
      default: return Error::corrupt("its report is malformed");
    }
  }
  return Error::corrupt("its report is cut short");
}

Result<Answer> compare_pair(Bytes &pre_bytes, Bytes &post_bytes) {
  const dwarf::Object pre = TRY(dwarf::Object::open(pre_bytes));
  const dwarf::Object post = TRY(dwarf::Object::open(post_bytes));
  Answer answer;
  answer.object_notes = post.notes();
  if (pre.units().empty() || post.units().empty()) {
    if (answer.object_notes.empty()) answer.object_notes.push_back("has no debugging information (was it built without -g?), so changed types would not be found");
    return answer;
  }
  TableDifference difference = diff_types(TRY(dwarf::read_types(pre)), TRY(dwarf::read_types(post)));
  for (ShapeChange &change : difference.layouts) {
    std::string detail = cat(change.keyword, " ", change.name, ": ", change.detail);
    answer.layouts.push_back({std::move(change.keyword), std::move(change.name), std::move(detail),
                              change.entry == 0 ? std::string() : post.declared_at(change.entry), {}, std::move(change.function)});
  }
  for (CallChange &change : difference.signatures) answer.signatures.push_back({std::move(change.function), std::move(change.detail), change.external, {}});
  answer.notes = std::move(difference.notes);
  return answer;
}

// In the contained process: errors are part of the answer.
Bytes answer_for(Bytes &pre, Bytes &post) {
  auto answer = compare_pair(pre, post);
  if (answer) return encode(*answer);
  Answer unreadable;
  unreadable.unreadable = answer.error().line();
  return encode(unreadable);
}

class Merger {
 public:
  void add(const std::string &object, Answer answer) {
    if (!answer.unreadable.empty())
      add_layout(object, {"object", object, cat("its debugging information cannot be read (", answer.unreadable, "), so changed types would not be found"), {}, {}});
    for (LayoutChange &change : answer.layouts) add_layout(object, std::move(change));
    for (SignatureChange &change : answer.signatures) {
      change.object = object;
      if (signatures_.insert({change.function, change.detail}).second) report_.signatures.push_back(std::move(change));
    }
    for (std::string &note : answer.notes)
      if (notes_.insert(note).second) report_.notes.push_back(std::move(note));
    for (const std::string &note : answer.object_notes) report_.notes.push_back(cat(object, ": ", note));
  }
  TypeReport take() && { return std::move(report_); }

 private:
  void add_layout(const std::string &object, LayoutChange change) {
    const auto [known, fresh] = layouts_.try_emplace({change.type, change.detail}, report_.layouts.size());
    if (fresh) report_.layouts.push_back(std::move(change));
    report_.layouts[known->second].objects.push_back(object);
  }

  TypeReport report_;
  std::map<std::pair<std::string, std::string>, size_t> layouts_;
  std::set<std::pair<std::string, std::string>> signatures_;
  std::set<std::string> notes_;
};

}  // namespace

Result<TypeReport> compare_types(const std::vector<ChangedObject> &changed_objects) {
  Merger merger;
  for (const ChangedObject &object : changed_objects) {
    Bytes pre = TRY_WHILE(read_file(object.pre, kMaxObjectBytes), cat("reading ", object.name));
    Bytes post = TRY_WHILE(read_file(object.post, kMaxObjectBytes), cat("reading ", object.name));
    auto bytes = run_contained([&] { return answer_for(pre, post); }, kMaxAnswerBytes);
    // Verdict::failed is about the machine; every other about the object.
    if (!bytes && bytes.error().verdict() == Verdict::failed) return std::move(bytes.error()).during(cat("comparing types of ", object.name));
    Answer answer;
    if (bytes) answer = TRY_WHILE(decode(*bytes), cat("comparing types of ", object.name));
    else answer.unreadable = bytes.error().line();
    merger.add(object.name, std::move(answer));
  }
  return std::move(merger).take();
}

}  // namespace suture
