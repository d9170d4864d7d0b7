#include "build/type_use.h"

#include <dwarf.h>

#include <algorithm>

#include "base/cat.h"

namespace suture::dwarf {

namespace {

constexpr uint64_t kPointerBytes = 8;
constexpr uint64_t kMaxRegisterBytes = 16;  // larger aggregates are passed in memory (x86-64 psABI 3.2.3)

int entry_tag(Dwarf_Die entry) { return ::dwarf_tag(&entry); }

bool is_transparent(int tag) {
  switch (tag) {
    case DW_TAG_typedef:
    case DW_TAG_const_type:
    case DW_TAG_volatile_type:
    case DW_TAG_restrict_type:
    case DW_TAG_atomic_type:
    case DW_TAG_immutable_type: return true;
    default: return false;
  }
}

char base_letter(Dwarf_Die type) {
  switch (number(type, DW_AT_encoding).value_or(0)) {
    case DW_ATE_float: return 'f';
    case DW_ATE_complex_float:
    case DW_ATE_imaginary_float: return 'c';
    case DW_ATE_decimal_float: return 'd';
    default: return 'i';
  }
}

// "[3][4]"; "[]" where the bound is not a constant. `count` is the number of elements, 0 then.
std::string bounds(Dwarf_Die array, uint64_t &count) {
  std::string text;
  count = 1;
  for (auto child = first_child(array); child; child = sibling(*child)) {
    if (entry_tag(*child) != DW_TAG_subrange_type) continue;
    auto n = number(*child, DW_AT_count);
    // An upper bound of -1 says that there are none.
    if (!n) if (const auto upper = number(*child, DW_AT_upper_bound)) n = *upper + 1;
    text += n ? cat("[", *n, "]") : "[]";
    count *= n.value_or(0);
  }
  return text;
}

}  // namespace

std::optional<Dwarf_Die> TypeUses::reference_type(Dwarf_Die entry) { return reference(entry, DW_AT_type); }

std::optional<Dwarf_Die> TypeUses::stripped(std::optional<Dwarf_Die> type) {
  for (unsigned depth = 0; type && is_transparent(entry_tag(*type)) && depth < kMaxTypeDepth; ++depth) type = reference_type(*type);
  return type;
}

bool TypeUses::is_aggregate(Dwarf_Die type) {
  const int tag = entry_tag(type);
  return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

std::string TypeUses::name(Dwarf_Die aggregate) const {
  const auto known = names_.find(::dwarf_dieoffset(&aggregate));
  return known != names_.end() ? known->second : std::string(name_of(aggregate));
}

TypeUse TypeUses::use(std::optional<Dwarf_Die> type, unsigned depth) {
  if (!type) return {0, "", "", "void"};
  if (depth > kMaxTypeDepth) return {0, "?", "", "?"};
  const Dwarf_Off offset = ::dwarf_dieoffset(&*type);
  if (const auto known = known_.find(offset); known != known_.end()) return known->second;
  TypeUse made = make(*type, depth + 1);
  known_.emplace(offset, made);
  return made;
}

TypeUse TypeUses::make(Dwarf_Die type, unsigned depth) {
  const int tag = entry_tag(type);
  const uint64_t size_bytes = number(type, DW_AT_byte_size).value_or(0);
  if (is_transparent(tag)) {
    TypeUse out = use(reference_type(type), depth);
    if (tag == DW_TAG_typedef) out.text = name_of(type);
    return out;
  }
  switch (tag) {
    case DW_TAG_base_type: return {size_bytes, cat(base_letter(type), size_bytes), "", std::string(name_of(type))};
    case DW_TAG_enumeration_type: return {size_bytes, cat("i", size_bytes), "", cat("enum ", name(type))};
    case DW_TAG_structure_type: return {size_bytes, cat("{", name(type), "}"), "", cat("struct ", name(type))};
    case DW_TAG_class_type: return {size_bytes, cat("{", name(type), "}"), "", name(type)};
    case DW_TAG_union_type: return {size_bytes, cat("{", name(type), "}"), "", cat("union ", name(type))};
    case DW_TAG_array_type: return array(type, depth);
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type: return pointer(type, depth);
    case DW_TAG_unspecified_type: return {kPointerBytes, "p8", "", "decltype(nullptr)"};
    case DW_TAG_subroutine_type: return {0, "fn", "", "function"};
    case DW_TAG_ptr_to_member_type: {
      // To a function it is a pointer and an adjustment (Itanium C++ ABI 2.3).
      const auto target = stripped(reference_type(type));
      const bool to_function = target && entry_tag(*target) == DW_TAG_subroutine_type;
      return {to_function ? 16u : 8u, to_function ? "m16" : "m8", "", "pointer to member"};
    }
    default: return {size_bytes, cat("?", size_bytes), "", std::string(name_of(type))};
  }
}

TypeUse TypeUses::array(Dwarf_Die type, unsigned depth) {
  const TypeUse element = use(reference_type(type), depth);
  uint64_t count = 0;
  const std::string dimensions = bounds(type, count);
  return {number(type, DW_AT_byte_size).value_or(count * element.size_bytes), dimensions + element.layout, element.pointee,
          element.text + dimensions};
}

TypeUse TypeUses::pointer(Dwarf_Die type, unsigned depth) {
  const std::optional<Dwarf_Die> direct = reference_type(type);
  const std::optional<Dwarf_Die> target = stripped(direct);
  const int tag = entry_tag(type);
  std::string text;
  if (target && entry_tag(*target) == DW_TAG_subroutine_type) text = prototype(*target, depth + 1);
  else text = cat(target ? use(direct, depth).text : "void", tag == DW_TAG_pointer_type ? " *" : tag == DW_TAG_reference_type ? " &" : " &&");
  return {kPointerBytes, cat("p", kPointerBytes), pointee(target, depth), text};
}

std::string TypeUses::prototype(Dwarf_Die function, unsigned depth) {
  std::string parameters;
  for (auto child = first_child(function); child; child = sibling(*child)) {
    const std::string_view comma = parameters.empty() ? "" : ", ";
    if (entry_tag(*child) == DW_TAG_unspecified_parameters) parameters += cat(comma, "...");
    if (entry_tag(*child) == DW_TAG_formal_parameter) parameters += cat(comma, use(reference_type(*child), depth).text);
  }
  return cat(use(reference_type(function), depth).text, " (*)(", parameters, ")");
}

std::string TypeUses::pointee(std::optional<Dwarf_Die> target, unsigned depth) {
  if (!target || depth > kMaxTypeDepth) return {};
  switch (entry_tag(*target)) {
    case DW_TAG_subroutine_type: return calling(*target, depth + 1);
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type: {
      const std::string pointed = name(*target);
      return pointed.empty() ? pointed : cat("{", pointed, "}");
    }
    case DW_TAG_pointer_type: return "p8";
    case DW_TAG_array_type: return pointee(stripped(reference_type(*target)), depth + 1);
    case DW_TAG_base_type:
    case DW_TAG_enumeration_type: {
      // Characters are how C points to anything.
      const std::string layout = use(target, depth).layout;
      return layout == "i1" ? std::string() : layout;
    }
    default: return {};
  }
}

std::string TypeUses::calling(Dwarf_Die function, unsigned depth) {
  std::string text = "fn(";
  for (auto child = first_child(function); child; child = sibling(*child)) {
    if (entry_tag(*child) == DW_TAG_unspecified_parameters) text += "...,";
    if (entry_tag(*child) == DW_TAG_formal_parameter) text += passing(reference_type(*child), depth) + ",";
  }
  return cat(text, ")", passing(reference_type(function), depth));
}

Parameter TypeUses::passed(Dwarf_Die entry) {
  const std::optional<Dwarf_Die> type = reference_type(entry);
  const TypeUse used = use(type, 0);
  return {passing(type, 0), used.layout, used.text};
}

// Classes of the psABI, coarsened to what tells two ways of passing apart.
std::string TypeUses::passing(std::optional<Dwarf_Die> type, unsigned depth) {
  if (depth > kMaxTypeDepth) return "?";
  const TypeUse used = use(type, depth);
  const std::optional<Dwarf_Die> plain = stripped(type);
  if (!plain) return {};
  if (entry_tag(*plain) == DW_TAG_array_type) return is_set(*plain, DW_AT_GNU_vector) ? cat("v", used.size_bytes) : "i8";
  if (!is_aggregate(*plain)) return used.layout.starts_with("p") ? "i8" : used.layout;
  // A type with a destructor or copy constructor of its own goes by address.
  if (number(*plain, DW_AT_calling_convention) == DW_CC_pass_by_reference) return "i8";
  if (has(*plain, DW_AT_declaration)) return "?";
  std::string classes;
  if (used.size_bytes > kMaxRegisterBytes || !add_classes(plain, 0, classes, depth + 1)) return cat("m", used.size_bytes);
  return cat("s", used.size_bytes, ":", classes);
}

// One letter per eight bytes: i (some integer or pointer there), f (nothing but floating point). False: in memory.
bool TypeUses::add_classes(std::optional<Dwarf_Die> type, uint64_t at, std::string &classes, unsigned depth) {
  const std::optional<Dwarf_Die> plain = stripped(type);
  if (!plain || depth > kMaxTypeDepth) return true;
  const TypeUse used = use(plain, depth);
  if (is_aggregate(*plain)) return add_member_classes(*plain, at, classes, depth);
  if (entry_tag(*plain) == DW_TAG_array_type) {
    const uint64_t element_bytes = std::max<uint64_t>(1, use(reference_type(*plain), depth).size_bytes);
    for (uint64_t offset = 0; offset < std::min(used.size_bytes, kMaxRegisterBytes); offset += element_bytes)
      if (!add_classes(reference_type(*plain), at + offset, classes, depth + 1)) return false;
    return true;
  }
  if (used.layout == "f16" || used.layout == "c32") return false;
  const bool floating = used.layout.starts_with("f") || used.layout.starts_with("c") || used.layout.starts_with("d");
  for (uint64_t word = at / 8; word < std::min((at + std::max<uint64_t>(1, used.size_bytes) + 7) / 8, kMaxRegisterBytes / 8); ++word) {
    if (classes.size() <= word) classes.resize(word + 1, 'f');
    if (!floating) classes[word] = 'i';
  }
  return true;
}

bool TypeUses::add_member_classes(Dwarf_Die aggregate, uint64_t at, std::string &classes, unsigned depth) {
  for (auto child = first_child(aggregate); child; child = sibling(*child)) {
    const int tag = entry_tag(*child);
    if ((tag != DW_TAG_member && tag != DW_TAG_inheritance) || is_set(*child, DW_AT_external) || has(*child, DW_AT_declaration)) continue;
    uint64_t offset = location(*child, DW_AT_data_member_location).constant.value_or(0);
    if (const auto bits = number(*child, DW_AT_data_bit_offset)) offset = *bits / 8;
    if (!add_classes(reference_type(*child), at + offset, classes, depth + 1)) return false;
  }
  return true;
}

}  // namespace suture::dwarf
