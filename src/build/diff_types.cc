#include "build/diff_types.h"

#include <algorithm>
#include <unordered_map>

#include "base/cat.h"

namespace suture {

namespace {

constexpr size_t kMaxTold = 12;  // differences told of one type

std::string offset_text(uint64_t bits) { return bits % 8 == 0 ? cat(bits / 8) : cat(bits / 8, " bit ", bits % 8); }

std::string told_within_limit(const std::vector<std::string> &parts) {
  std::string text;
  for (size_t i = 0; i < std::min(parts.size(), kMaxTold); ++i) text += cat(i == 0 ? "" : "; ", parts[i]);
  if (parts.size() > kMaxTold) text += cat("; and ", parts.size() - kMaxTold, " more");
  return text;
}

bool same_place(const TypeMember &a, const TypeMember &b) {
  return a.bit_offset == b.bit_offset && a.bit_size == b.bit_size && a.computed_offset == b.computed_offset;
}

bool same_reading(const TypeUse &a, const TypeUse &b) { return a.size_bytes == b.size_bytes && a.layout == b.layout; }

// A pointer to void or characters says nothing about what is there.
bool same_pointee(const TypeUse &a, const TypeUse &b) { return a.pointee.empty() || b.pointee.empty() || a.pointee == b.pointee; }

bool same_member(const TypeMember &a, const TypeMember &b) {
  return a.path == b.path && same_place(a, b) && same_reading(a.type, b.type) && same_pointee(a.type, b.type);
}

bool same_shape(const TypeShape &a, const TypeShape &b) {
  const auto same_slot = [](const VirtualFunction &x, const VirtualFunction &y) { return x.name == y.name && x.slot == y.slot; };
  return a.size_bytes == b.size_bytes && (a.keyword == "union") == (b.keyword == "union") && a.enumerators == b.enumerators &&
         std::equal(a.members.begin(), a.members.end(), b.members.begin(), b.members.end(), same_member) &&
         std::equal(a.virtual_functions.begin(), a.virtual_functions.end(), b.virtual_functions.begin(), b.virtual_functions.end(), same_slot);
}

// Bits that a member covers.
uint64_t bits_of(const TypeMember &member) { return member.bit_size != 0 ? member.bit_size : member.type.size_bytes * 8; }

// "slots[]." of "slots[].flags": offsets count from the element then.
std::string_view element_prefix(std::string_view path) {
  const size_t end = path.rfind("[].");
  return end == std::string_view::npos ? std::string_view{} : path.substr(0, end + 3);
}

class ShapeDiff {
 public:
  ShapeDiff(const TypeShape &pre, const TypeShape &post) : pre_(pre), post_(post) {}

  void run() {
    if (pre_.size_bytes != post_.size_bytes) changes.push_back(cat("size ", pre_.size_bytes, " -> ", post_.size_bytes, " bytes"));
    if ((pre_.keyword == "union") != (post_.keyword == "union")) changes.push_back(cat("was a ", pre_.keyword, ", is a ", post_.keyword));
    compare_enumerators();
    compare_members();
    compare_virtual_functions();
    if (only_fills_padding()) changes.push_back("same size, it uses former padding: objects made before hold there whatever the allocator left");
  }

  std::vector<std::string> changes;
  std::vector<std::string> notes;

 private:
  using Members = std::unordered_map<std::string_view, const TypeMember *>;

  static Members by_path(const TypeShape &shape) {
    Members out;
    for (const TypeMember &member : shape.members) out.emplace(member.path, &member);
    return out;
  }

  void compare_members() {
    const Members before = by_path(pre_);
    const Members after = by_path(post_);
    for (const TypeMember &member : post_.members) {
      if (const auto twin = before.find(member.path); twin != before.end()) compare_member(*twin->second, member);
      else if (const TypeMember *old = replaced_by(member, after)) notes.push_back(cat("field ", old->path, " is now called ", member.path));
      else if (!within_union(member)) changes.push_back(cat("field ", member.path, " (", member.type.text, ") new at ", offset_text(member.bit_offset)));
    }
    tell_moves();
    for (const TypeMember &member : pre_.members)
      if (!after.contains(member.path) && !renamed(member, before)) changes.push_back(cat("field ", member.path, " gone, was at ", offset_text(member.bit_offset)));
  }

  // A field that is put in front moves all that follow: those are told together.
  void tell_moves() {
    constexpr size_t kFewest = 3;
    const auto shift = [](const Move &move) { return move.second->bit_offset - move.first->bit_offset; };
    const auto told = [](const Move &move) { return cat("field ", move.second->path, " moved ", offset_text(move.first->bit_offset), " -> ", offset_text(move.second->bit_offset)); };
    for (size_t i = 0; i < moves_.size();) {
      size_t end = i + 1;
      while (end < moves_.size() && shift(moves_[end]) == shift(moves_[i])) ++end;
      if (end - i < kFewest) end = i + 1;
      changes.push_back(end - i == 1 ? told(moves_[i]) : cat(told(moves_[i]), ", and ", end - i - 1, " fields behind it by as much"));
      i = end;
    }
  }

  void compare_member(const TypeMember &a, const TypeMember &b) {
    if (a.computed_offset != b.computed_offset) changes.push_back(cat("virtual base ", b.path, " is found in another way"));
    if (a.bit_offset != b.bit_offset) moves_.push_back({&a, &b});
    if (a.bit_size != b.bit_size) changes.push_back(cat("field ", b.path, " ", bits_of(a), " -> ", bits_of(b), " bits"));
    else if (a.type.layout == b.type.layout && a.type.size_bytes != b.type.size_bytes)
      changes.push_back(cat("field ", b.path, " ", a.type.size_bytes, " -> ", b.type.size_bytes, " bytes, for its type ", b.type.text, " changed"));
    else if (!same_reading(a.type, b.type)) changes.push_back(cat("field ", b.path, " was ", a.type.text, ", is ", b.type.text));
    else if (!same_pointee(a.type, b.type)) changes.push_back(cat("field ", b.path, " pointed to another type: was ", a.type.text, ", is ", b.type.text));
  }

  // The pre member that is gone, and in whose place there is now this one, read alike.
  const TypeMember *replaced_by(const TypeMember &member, const Members &after) const {
    for (const TypeMember &old : pre_.members)
      if (same_place(old, member) && same_reading(old.type, member.type) && same_pointee(old.type, member.type) && !after.contains(old.path)) return &old;
    return nullptr;
  }

  bool renamed(const TypeMember &member, const Members &before) const {
    for (const TypeMember &other : post_.members)
      if (same_place(member, other) && same_reading(member.type, other.type) && same_pointee(member.type, other.type) && !before.contains(other.path)) return true;
    return false;
  }

  // One more way to read bytes that are there already.
  bool within_union(const TypeMember &member) const {
    if (!member.in_union) return false;
    for (const TypeMember &old : pre_.members)
      if (old.in_union && element_prefix(old.path) == element_prefix(member.path) && old.bit_offset <= member.bit_offset &&
          member.bit_offset + bits_of(member) <= old.bit_offset + bits_of(old))
        return true;
    return false;
  }

  // Every field stays what and where it was, and the new ones share no bit with them.
  bool only_fills_padding() const {
    if (pre_.size_bytes != post_.size_bytes || pre_.keyword == "union" || !pre_.enumerators.empty() || post_.members.size() <= pre_.members.size()) return false;
    const Members before = by_path(pre_);
    const Members after = by_path(post_);
    const auto kept = [&](const TypeMember &old) {
      const auto now = after.find(old.path);
      return now != after.end() && same_member(old, *now->second);
    };
    const auto apart = [&](const TypeMember &added) {
      return std::none_of(pre_.members.begin(), pre_.members.end(), [&](const TypeMember &old) {
        return element_prefix(old.path) == element_prefix(added.path) && old.bit_offset < added.bit_offset + bits_of(added) &&
               added.bit_offset < old.bit_offset + bits_of(old);
      });
    };
    return pre_.virtual_functions.size() == post_.virtual_functions.size() && std::all_of(pre_.members.begin(), pre_.members.end(), kept) &&
           std::all_of(post_.members.begin(), post_.members.end(), [&](const TypeMember &member) { return before.contains(member.path) || apart(member); });
  }

  void compare_enumerators() {
    std::unordered_map<std::string_view, int64_t> after(post_.enumerators.begin(), post_.enumerators.end());
    for (const auto &[name, value] : pre_.enumerators) {
      const auto found = after.find(name);
      if (found == after.end()) notes.push_back(cat("enumerator ", name, " = ", value, " is gone"));
      else if (found->second != value) changes.push_back(cat(name, " = ", value, " -> ", found->second));
    }
  }

  void compare_virtual_functions() {
    std::unordered_map<std::string_view, uint64_t> before;
    for (const VirtualFunction &function : pre_.virtual_functions) before.emplace(function.name, function.slot);
    for (const VirtualFunction &function : post_.virtual_functions) {
      const auto found = before.find(function.name);
      if (found == before.end()) changes.push_back(cat("virtual function ", function.name, " new in slot ", function.slot));
      else if (found->second != function.slot) changes.push_back(cat("virtual function ", function.name, " moved from slot ", found->second, " to ", function.slot));
    }
  }

  using Move = std::pair<const TypeMember *, const TypeMember *>;  // before, after
  const TypeShape &pre_;
  const TypeShape &post_;
  std::vector<Move> moves_;
};

// Shapes of the one list that the other does not have.
std::vector<const TypeShape *> without_twin(const std::vector<TypeShape> &shapes, const std::vector<TypeShape> &others) {
  std::vector<const TypeShape *> out;
  for (const TypeShape &shape : shapes)
    if (std::none_of(others.begin(), others.end(), [&](const TypeShape &other) { return same_shape(shape, other); })) out.push_back(&shape);
  return out;
}

// Types local to one function come in the order of the source, and closures have no other name. Where the one list is the other
// with some left out, types only came or went.
bool is_within(const std::vector<TypeShape> &shorter, const std::vector<TypeShape> &longer) {
  size_t at = 0;
  for (const TypeShape &shape : longer)
    if (at < shorter.size() && same_shape(shorter[at], shape)) ++at;
  return at == shorter.size();
}

std::string captures_text(const TypeShape &shape) {
  std::string text;
  for (const TypeMember &member : shape.members) text += cat(text.empty() ? "" : ", ", member.type.text, " ", member.path);
  return cat("{", text, "}");
}

void diff_local(const std::vector<TypeShape> &pre, const std::vector<TypeShape> &post, TableDifference &out) {
  if (is_within(pre, post) || is_within(post, pre)) return;
  std::string detail = "what they hold changed: was";
  for (const std::vector<TypeShape> *shapes : {&pre, &post}) {
    if (shapes == &post) detail += ", is";
    for (size_t i = 0; i < std::min(shapes->size(), kMaxTold); ++i) detail += cat(i == 0 ? " " : " and ", captures_text((*shapes)[i]));
  }
  out.layouts.push_back({post.front().keyword, post.front().name, std::move(detail), post.front().entry, post.front().function});
}

void diff_named(const std::vector<TypeShape> &pre, const std::vector<TypeShape> &post, TableDifference &out) {
  const auto old_shapes = without_twin(pre, post);
  const auto new_shapes = without_twin(post, pre);
  // A shape on one side only is a type that came or went.
  for (size_t i = 0; i < std::min(old_shapes.size(), new_shapes.size()); ++i) {
    ShapeDiff diff(*old_shapes[i], *new_shapes[i]);
    diff.run();
    const TypeShape &shape = *new_shapes[i];
    for (const std::string &note : diff.notes) out.notes.push_back(cat(shape.keyword, " ", shape.name, ": ", note));
    if (diff.changes.empty()) continue;
    out.layouts.push_back({shape.keyword, shape.name, told_within_limit(diff.changes), shape.entry, {}});
  }
}

// A variable that keeps its size (another is data that cannot be kept, and found as such) but is read in another way.
void diff_variable(const std::string &name, const TypeUse &a, const TypeUse &b, TableDifference &out) {
  if (a.size_bytes != b.size_bytes || (a.layout == b.layout && same_pointee(a, b))) return;
  out.layouts.push_back({"variable", name, cat("was ", a.text, ", is ", b.text), 0, {}});
}

std::string prototype(const FunctionShape &function) {
  std::string text = cat(function.result.text, " (");
  for (size_t i = 0; i < function.parameters.size(); ++i) text += cat(i == 0 ? "" : ", ", function.parameters[i].text);
  return cat(text, function.variadic ? ", ...)" : ")");
}

void diff_function(const FunctionShape &a, const FunctionShape &b, TableDifference &out) {
  std::vector<std::string> changes;
  bool read_otherwise = false;
  if (a.parameters.size() != b.parameters.size()) changes.push_back(cat(b.parameters.size(), " parameters instead of ", a.parameters.size()));
  for (size_t i = 0; i < std::min(a.parameters.size(), b.parameters.size()); ++i) {
    if (a.parameters[i].passed != b.parameters[i].passed) changes.push_back(cat("parameter ", i + 1, " is passed in another way"));
    else if (a.parameters[i].layout != b.parameters[i].layout) read_otherwise = true;
  }
  if (a.variadic != b.variadic) changes.push_back(b.variadic ? "takes variable arguments now" : "takes no variable arguments any more");
  // A caller that expects nothing is not disturbed by a value in a register.
  const bool value_added = a.result.passed.empty() && !b.result.passed.starts_with("m");
  if (a.result.passed != b.result.passed && !value_added) changes.push_back("the result is passed in another way");
  else if (a.result.layout != b.result.layout) read_otherwise = true;
  const std::string told = cat("was ", prototype(a), ", is ", prototype(b));
  if (!changes.empty()) out.signatures.push_back({b.name, cat(told_within_limit(changes), "; ", told), a.external || b.external});
  else if (read_otherwise) out.notes.push_back(cat("function ", b.name, ": ", told, "; passed alike"));
}

}  // namespace

TableDifference diff_types(const TypeTable &pre, const TypeTable &post) {
  TableDifference out;
  for (const auto &[name, shapes] : post.types)
    if (const auto old = pre.types.find(name); old != pre.types.end()) {
      if (shapes.front().function.empty()) diff_named(old->second, shapes, out);
      else diff_local(old->second, shapes, out);
    }
  for (const auto &[name, use] : post.variables)
    if (const auto old = pre.variables.find(name); old != pre.variables.end()) diff_variable(name, old->second, use, out);
  for (const auto &[name, function] : post.functions)
    if (const auto old = pre.functions.find(name); old != pre.functions.end()) diff_function(old->second, function, out);
  return out;
}

}  // namespace suture
