#include "build/read_types.h"

#include <dwarf.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/cat.h"
#include "build/type_use.h"

namespace suture::dwarf {

namespace {

constexpr size_t kMaxMembers = 100'000;  // of one type, unnamed aggregates taken apart

int tag_of(Dwarf_Die entry) { return ::dwarf_tag(&entry); }

std::string_view keyword_of(int tag) {
  switch (tag) {
    case DW_TAG_class_type: return "class";
    case DW_TAG_union_type: return "union";
    case DW_TAG_enumeration_type: return "enum";
    default: return "struct";
  }
}

bool is_cxx(Dwarf_Die unit) {
  switch (number(unit, DW_AT_language).value_or(0)) {
    case DW_LANG_C_plus_plus:
    case DW_LANG_C_plus_plus_03:
    case DW_LANG_C_plus_plus_11:
    case DW_LANG_C_plus_plus_14: return true;
    default: return false;
  }
}

std::string qualified(const std::string &scope, std::string_view name) { return scope.empty() ? std::string(name) : cat(scope, "::", name); }

// Two walks: the first lists what is there and gives every type its name, for a member may be of a type that comes later.
class TypeReader {
 public:
  explicit TypeReader(const Object &object) : object_(object) {}

  Result<TypeEntries> entries() {
    TRY(list_all());
    return TypeEntries{std::move(uses_), std::move(types_), std::move(variables_), std::move(functions_)};
  }

  Result<TypeTable> run() {
    TRY(list_all());
    for (const Dwarf_Die &entry : types_) TRY(add_type(entry));
    add_unnamed_enumerators();
    for (const Dwarf_Die &entry : variables_) add_variable(entry);
    for (const Dwarf_Die &entry : functions_) add_function(entry);
    return std::move(out_);
  }

 private:
  Status list_all() {
    for (const Dwarf_Die &unit : object_.units()) {
      in_cxx_ = is_cxx(unit);
      TRY(list_scope(unit, "", 0));
    }
    for (const auto &[entry, name] : pointer_names_)
      if (uses_.name(entry).empty()) uses_.set_name(::dwarf_dieoffset(const_cast<Dwarf_Die *>(&entry)), name);
    // In the order of the source, which is not always that of the entries.
    const auto line = [](const Dwarf_Die &entry) { return number(entry, DW_AT_decl_line).value_or(0); };
    std::stable_sort(local_types_.begin(), local_types_.end(), [&](const Dwarf_Die &a, const Dwarf_Die &b) { return line(a) < line(b); });
    types_.insert(types_.end(), local_types_.begin(), local_types_.end());
    return {};
  }

  Status list_scope(Dwarf_Die scope_entry, const std::string &scope, unsigned depth) {
    if (depth > kMaxTypeDepth) return Error::corrupt("scopes are nested too deeply");
    for (auto child = first_child(scope_entry); child; child = sibling(*child)) TRY(list(*child, scope, depth));
    return {};
  }

  Status list(Dwarf_Die entry, const std::string &scope, unsigned depth) {
    switch (tag_of(entry)) {
      case DW_TAG_namespace:
      case DW_TAG_module: {
        const std::string_view name = name_of(entry);
        return list_scope(entry, qualified(scope, name.empty() ? "(anonymous namespace)" : name), depth + 1);
      }
      case DW_TAG_structure_type:
      case DW_TAG_class_type:
      case DW_TAG_union_type:
      case DW_TAG_enumeration_type: return list_type(entry, scope, depth);
      case DW_TAG_typedef: list_typedef(entry, scope); return {};
      case DW_TAG_variable: list_variable(entry, scope); return {};
      case DW_TAG_subprogram:
        function_names_.insert_or_assign(::dwarf_dieoffset(&entry), qualified(scope, name_of(entry)));
        functions_.push_back(entry);
        return list_local_types(entry, local_scope(entry, scope), std::string(linkage_name_of(entry)), depth + 1);
      default: return {};
    }
  }

  // Empty where there are no local types to be read: in C, and where the entry is a copy whose types are with the abstract one.
  std::string local_scope(Dwarf_Die function, const std::string &scope) const {
    if (has(function, DW_AT_abstract_origin) || !in_cxx_) return {};
    const auto declared = has(function, DW_AT_specification) ? reference(function, DW_AT_specification) : std::nullopt;
    std::string name = declared ? qualified_name(*declared) : std::string();
    return name.empty() ? qualified(scope, name_of(function)) : name;
  }

  Status list_local_types(Dwarf_Die block, const std::string &scope, const std::string &function, unsigned depth) {
    if (scope.empty()) return {};
    if (depth > kMaxTypeDepth) return Error::corrupt("scopes are nested too deeply");
    for (auto child = first_child(block); child; child = sibling(*child)) {
      const int tag = tag_of(*child);
      const bool nested = tag == DW_TAG_lexical_block || tag == DW_TAG_subprogram;
      if (nested) TRY(list_local_types(*child, scope, function, depth + 1));
      if (!TypeUses::is_aggregate(*child)) continue;
      const std::string_view name = name_of(*child);
      const bool closure = name.empty() || name.starts_with("<lambda");
      // clang's closures are classes without a name, and have their operator only where it was not inlined; gcc's always have it. The
      // members of other unnamed types are their user's.
      if (name.empty() && tag != DW_TAG_class_type && !has_call_operator(*child)) continue;
      // The linker's name tells overloaded functions apart.
      const std::string full = qualified(function.empty() ? scope : function, closure ? "{closures}" : name);
      local_functions_.emplace(::dwarf_dieoffset(&*child), function);
      uses_.set_name(::dwarf_dieoffset(&*child), full);
      if (!has(*child, DW_AT_declaration)) local_types_.push_back(*child);
      TRY(list_local_types(*child, scope, function, depth + 1));  // closures in closures
    }
    return {};
  }

  static bool has_call_operator(Dwarf_Die type) {
    for (auto child = first_child(type); child; child = sibling(*child))
      if (tag_of(*child) == DW_TAG_subprogram && name_of(*child) == "operator()") return true;
    return false;
  }

  Status list_type(Dwarf_Die entry, const std::string &scope, unsigned depth) {
    const std::string_view name = name_of(entry);
    std::string full;
    if (!name.empty()) {
      // A nested class that is defined outside of its class refers to its declaration there.
      const auto declared = has(entry, DW_AT_specification) ? reference(entry, DW_AT_specification) : std::nullopt;
      full = declared ? uses_.name(*declared) : qualified(scope, name);
      uses_.set_name(::dwarf_dieoffset(&entry), full);
    }
    if (!has(entry, DW_AT_declaration)) types_.push_back(entry);
    if (tag_of(entry) == DW_TAG_enumeration_type) return {};
    return list_scope(entry, full.empty() ? scope : full, depth + 1);
  }

  // An unnamed aggregate goes by its typedef: directly, or else as what that points to.
  void list_typedef(Dwarf_Die entry, const std::string &scope) {
    const std::string name = qualified(scope, name_of(entry));
    auto target = without_qualifiers(TypeUses::reference_type(entry));
    if (target && can_be_unnamed(*target)) {
      if (name_of(*target).empty() && uses_.name(*target).empty()) uses_.set_name(::dwarf_dieoffset(&*target), name);
      return;
    }
    if (target) name_behind(*target, name);
  }

  // Only qualifiers: a typedef of a typedef gives no name.
  static std::optional<Dwarf_Die> without_qualifiers(std::optional<Dwarf_Die> type) {
    for (unsigned depth = 0; type && depth < kMaxTypeDepth; ++depth) {
      const int tag = tag_of(*type);
      if (tag != DW_TAG_const_type && tag != DW_TAG_volatile_type) break;
      type = TypeUses::reference_type(*type);
    }
    return type;
  }

  static bool can_be_unnamed(Dwarf_Die type) { return TypeUses::is_aggregate(type) || tag_of(type) == DW_TAG_enumeration_type; }

  void list_variable(Dwarf_Die entry, const std::string &scope) {
    const std::string name = qualified(scope, name_of(entry));
    if (const auto type = TypeUses::reference_type(entry)) name_behind(*type, name);
    if (!has(entry, DW_AT_declaration)) variables_.push_back(entry);
  }

  void name_behind(Dwarf_Die type, const std::string &name) {
    if (const auto target = element(type); target && TypeUses::is_aggregate(*target) && name_of(*target).empty()) pointer_names_.emplace_back(*target, name);
  }

  // Behind pointers, arrays and typedefs.
  static std::optional<Dwarf_Die> element(Dwarf_Die type) {
    std::optional<Dwarf_Die> out = TypeUses::stripped(type);
    for (unsigned depth = 0; out && depth < kMaxTypeDepth; ++depth) {
      const int tag = tag_of(*out);
      if (tag != DW_TAG_array_type && tag != DW_TAG_pointer_type) break;
      out = TypeUses::stripped(TypeUses::reference_type(*out));
    }
    return out;
  }

  Status add_type(Dwarf_Die entry) {
    const std::string name = uses_.name(entry);
    if (tag_of(entry) == DW_TAG_enumeration_type && name.empty()) {
      unnamed_enums_.push_back(entry);
      return {};
    }
    if (name.empty()) return {};  // its members are those of its user
    TypeShape shape;
    shape.keyword = keyword_of(tag_of(entry));
    shape.name = name;
    shape.size_bytes = number(entry, DW_AT_byte_size).value_or(0);
    shape.entry = ::dwarf_dieoffset(&entry);
    if (const auto local = local_functions_.find(shape.entry); local != local_functions_.end()) {
      shape.keyword = "local";
      shape.function = local->second;
    }
    if (tag_of(entry) == DW_TAG_enumeration_type) add_enumerators(entry, shape);
    else TRY(add_members(entry, {}, shape, 0));
    out_.types[name].push_back(std::move(shape));
    return {};
  }

  static void add_enumerators(Dwarf_Die entry, TypeShape &shape) {
    for (auto child = first_child(entry); child; child = sibling(*child))
      if (tag_of(*child) == DW_TAG_enumerator) shape.enumerators.emplace_back(name_of(*child), constant_value(*child).value_or(0));
  }

  // `enum { A, B };` defines constants; each is followed by itself, for there is no name to find the list by.
  void add_unnamed_enumerators() {
    for (const Dwarf_Die &entry : unnamed_enums_) {
      TypeShape all;
      add_enumerators(entry, all);
      for (const auto &enumerator : all.enumerators) {
        TypeShape shape;
        shape.keyword = "enumerator";
        shape.name = enumerator.first;
        shape.entry = ::dwarf_dieoffset(const_cast<Dwarf_Die *>(&entry));
        shape.enumerators.push_back(enumerator);
        out_.types[shape.name].push_back(std::move(shape));
      }
    }
  }

  // Where an aggregate's members lie in the outermost type that has a name.
  struct Within {
    std::string prefix;
    uint64_t bit_offset = 0;
    bool in_union = false;
  };

  Status add_members(Dwarf_Die aggregate, const Within &within, TypeShape &shape, unsigned depth) {
    if (depth > kMaxTypeDepth) return Error::corrupt("types are nested too deeply");
    const bool in_union = within.in_union || tag_of(aggregate) == DW_TAG_union_type;
    for (auto child = first_child(aggregate); child; child = sibling(*child)) {
      const int tag = tag_of(*child);
      if (tag == DW_TAG_subprogram && depth == 0) add_virtual_function(*child, shape);
      if (tag != DW_TAG_member && tag != DW_TAG_inheritance) continue;
      if (has(*child, DW_AT_external) || has(*child, DW_AT_declaration)) continue;  // static
      if (shape.members.size() >= kMaxMembers) return Error::corrupt(cat("type ", shape.name, " has too many members"));
      TypeMember member = make_member(*child, within, in_union);
      TRY(add_member(*child, std::move(member), shape, depth));
    }
    return {};
  }

  TypeMember make_member(Dwarf_Die entry, const Within &within, bool in_union) {
    TypeMember member;
    member.type = uses_.of_entry(entry);
    const bool base = tag_of(entry) == DW_TAG_inheritance;
    member.path = within.prefix + (base ? cat("base ", member.type.text) : std::string(name_of(entry)));
    member.in_union = in_union;
    member.bit_size = number(entry, DW_AT_bit_size).value_or(0);
    const Location at = location(entry, DW_AT_data_member_location);
    member.computed_offset = at.operations;
    member.bit_offset = within.bit_offset + at.constant.value_or(0) * 8;
    if (const auto bits = number(entry, DW_AT_data_bit_offset)) {
      member.bit_offset = within.bit_offset + *bits;
    } else if (const auto from_top = number(entry, DW_AT_bit_offset); from_top && member.bit_size != 0) {
      // The form before DWARF 4 counts from the most significant bit of a unit of storage.
      const uint64_t storage_bits = number(entry, DW_AT_byte_size).value_or(member.type.size_bytes) * 8;
      member.bit_offset += storage_bits - *from_top - member.bit_size;
    }
    return member;
  }

  Status add_member(Dwarf_Die entry, TypeMember member, TypeShape &shape, unsigned depth) {
    auto type = TypeUses::stripped(TypeUses::reference_type(entry));
    const bool is_array = type && tag_of(*type) == DW_TAG_array_type;
    if (is_array) type = element(*type);
    const bool unnamed = type && TypeUses::is_aggregate(*type) && uses_.name(*type).empty();
    Within inner{member.path, member.bit_offset, member.in_union};
    if (unnamed && is_array) inner = {member.path + "[].", 0, false};
    else if (unnamed && !name_of(entry).empty()) inner.prefix += ".";
    if (!unnamed || is_array) shape.members.push_back(std::move(member));
    return unnamed ? add_members(*type, inner, shape, depth + 1) : Status();
  }

  static void add_virtual_function(Dwarf_Die entry, TypeShape &shape) {
    // What the compiler adds by itself (destructors, assignment) it describes only when used.
    if (is_set(entry, DW_AT_artificial)) return;
    if (const auto slot = location(entry, DW_AT_vtable_elem_location).constant)
      shape.virtual_functions.push_back({std::string(linkage_name_of(entry)), *slot});
  }

  void add_variable(Dwarf_Die entry) {
    const std::string name(linkage_name_of(entry));
    const TypeUse use = uses_.of_entry(entry);
    out_.variables.insert_or_assign(name, use);
  }

  // Code described here: an entry with addresses, whose parameters may be at the abstract entry that it is a copy of.
  void add_function(Dwarf_Die entry) {
    if (!has(entry, DW_AT_low_pc) && !has(entry, DW_AT_ranges)) return;
    // clang: called only from here, in a way of its own.
    if (number(entry, DW_AT_calling_convention) == DW_CC_nocall) return;
    FunctionShape shape;
    shape.name = function_name(entry);
    if (shape.name.empty()) return;
    shape.external = is_set(entry, DW_AT_external);
    shape.result = uses_.passed(entry);
    const auto abstract = has(entry, DW_AT_abstract_origin) ? reference(entry, DW_AT_abstract_origin) : std::nullopt;
    for (auto child = first_child(abstract.value_or(entry)); child; child = sibling(*child)) {
      if (tag_of(*child) == DW_TAG_unspecified_parameters) shape.variadic = true;
      if (tag_of(*child) == DW_TAG_formal_parameter) shape.parameters.push_back(uses_.passed(*child));
    }
    out_.functions.insert_or_assign(shape.name, std::move(shape));
  }

  // The linker's name; of what has none (members of classes with local template arguments, static functions of C) the
  // qualified one. Empty for members of classes that are local to a function: those share their names.
  std::string function_name(Dwarf_Die entry) const {
    const std::string_view plain = name_of(entry);
    const std::string_view linked = linkage_name_of(entry);
    if (linked != plain) return std::string(linked);
    // Of a copy (abstract origin) or a definition outside of its class (specification): what it is declared as.
    for (unsigned depth = 0; depth < kMaxTypeDepth; ++depth) {
      const unsigned attribute = has(entry, DW_AT_abstract_origin) ? DW_AT_abstract_origin : DW_AT_specification;
      const auto declared = has(entry, attribute) ? reference(entry, attribute) : std::nullopt;
      if (!declared) break;
      entry = *declared;
    }
    return qualified_name(entry);
  }
  std::string qualified_name(Dwarf_Die declared) const {
    const auto known = function_names_.find(::dwarf_dieoffset(&declared));
    return known == function_names_.end() ? std::string() : known->second;
  }

  const Object &object_;
  TypeUses uses_;
  std::unordered_map<Dwarf_Off, std::string> function_names_;
  std::unordered_map<Dwarf_Off, std::string> local_functions_;  // local type -> the linker's name of its function
  bool in_cxx_ = false;
  std::vector<Dwarf_Die> types_, local_types_, variables_, functions_, unnamed_enums_;
  std::vector<std::pair<Dwarf_Die, std::string>> pointer_names_;
  TypeTable out_;
};

}  // namespace

Result<TypeTable> read_types(const Object &object) { return TypeReader(object).run(); }

Result<TypeEntries> list_types(const Object &object) { return TypeReader(object).entries(); }

}  // namespace suture::dwarf
