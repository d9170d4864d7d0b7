#include "build/list_type_graph.h"

#include <dwarf.h>

#include <algorithm>

#include "build/read_types.h"

namespace suture::dwarf {

namespace {

bool is_reference_tag(int tag) {
  return tag == DW_TAG_pointer_type || tag == DW_TAG_reference_type || tag == DW_TAG_rvalue_reference_type;
}

// What leads to a type that is mentioned.
enum class Behind : uint8_t { nothing, array, pointer };

class GraphLister {
 public:
  explicit GraphLister(TypeEntries entries) : entries_(std::move(entries)) {}

  TypeGraph run() {
    for (const Dwarf_Die &type : entries_.types) add_node(type);
    for (const Dwarf_Die &variable : entries_.variables) add_variable_node(variable);
    for (const Dwarf_Die &function : entries_.functions) add_function_node(function);
    return std::move(out_);
  }

 private:
  static int tag(Dwarf_Die entry) { return ::dwarf_tag(&entry); }

  // Integers that are declared to hold pointers. That other integers do, no compiler promises.
  static bool holds_address(std::optional<Dwarf_Die> type) {
    for (unsigned depth = 0; type && depth < kMaxTypeDepth; ++depth, type = TypeUses::reference_type(*type)) {
      const int kind = tag(*type);
      if (kind == DW_TAG_typedef && (name_of(*type) == "uintptr_t" || name_of(*type) == "intptr_t")) return true;
      if (kind != DW_TAG_typedef && kind != DW_TAG_const_type && kind != DW_TAG_volatile_type) return false;
    }
    return false;
  }
  static bool is_character(Dwarf_Die type) {
    return tag(type) == DW_TAG_base_type && number(type, DW_AT_byte_size).value_or(1) == 1;
  }

  void mention(std::optional<Dwarf_Die> type, Behind behind, TypeMentions &out, unsigned depth) const {
    if (depth > kMaxTypeDepth) return;
    const bool pointed = behind == Behind::pointer;
    out.untyped |= holds_address(type);
    type = TypeUses::stripped(type);
    if (!type) {
      out.untyped |= pointed;
      return;
    }
    const int kind = tag(*type);
    if (is_reference_tag(kind)) {
      out.untyped |= pointed;
      mention(TypeUses::reference_type(*type), Behind::pointer, out, depth + 1);
    } else if (kind == DW_TAG_array_type) {
      mention(TypeUses::reference_type(*type), pointed ? behind : Behind::array, out, depth + 1);
    } else if (is_character(*type)) {
      out.untyped |= pointed;
      out.raw |= behind == Behind::array;
    } else if (TypeUses::is_aggregate(*type)) {
      if (const std::string name = entries_.uses.name(*type); !name.empty())
        (pointed ? out.pointers : out.values).insert(name);
      else
        mention_members(*type, pointed ? behind : Behind::nothing, out, depth + 1);
    }
  }
  void mention_members(Dwarf_Die aggregate, Behind behind, TypeMentions &out, unsigned depth) const {
    for (auto child = first_child(aggregate); child; child = sibling(*child)) {
      const int kind = tag(*child);
      if (kind != DW_TAG_member && kind != DW_TAG_inheritance) continue;
      if (!is_set(*child, DW_AT_external) && !has(*child, DW_AT_declaration))
        mention(TypeUses::reference_type(*child), behind, out, depth);
    }
  }

  void add_node(Dwarf_Die type) {
    const std::string name = entries_.uses.name(type);
    if (name.empty() || !TypeUses::is_aggregate(type)) return;
    TypeNode &node = out_.types[name];
    node.size_bytes = number(type, DW_AT_byte_size).value_or(0);
    mention_members(type, Behind::nothing, node.members, 0);
  }

  void add_variable_node(Dwarf_Die entry) {
    VariableNode node;
    node.name = linkage_name_of(entry);
    mention(TypeUses::reference_type(entry), Behind::nothing, node.type, 0);
    out_.variables.push_back(std::move(node));
  }

  void add_function_node(Dwarf_Die entry) {
    if (!has(entry, DW_AT_low_pc) && !has(entry, DW_AT_ranges)) return;
    FunctionNode node;
    node.name = linkage_name_of(entry);
    mention(TypeUses::reference_type(entry), Behind::nothing, node.result, 0);
    std::set<Dwarf_Off> seen;
    walk(entry, node, true, seen, 0);
    out_.functions.push_back(std::move(node));
  }

  // The variables of a function, of its blocks, and of what is inlined into it: also those that the optimizer left no
  // trace of in this copy, which the entry that it is a copy of still lists.
  void walk(Dwarf_Die scope, FunctionNode &node, bool outermost, std::set<Dwarf_Off> &seen, unsigned depth) {
    if (depth > kMaxTypeDepth || !seen.insert(::dwarf_dieoffset(&scope)).second) return;
    if (const auto origin = has(scope, DW_AT_abstract_origin) ? reference(scope, DW_AT_abstract_origin) : std::nullopt)
      walk(*origin, node, outermost, seen, depth + 1);
    for (auto child = first_child(scope); child; child = sibling(*child)) {
      switch (tag(*child)) {
        case DW_TAG_formal_parameter:
          mention(TypeUses::reference_type(*child), Behind::nothing, outermost ? node.parameters : node.locals, 0);
          break;
        case DW_TAG_variable:
          if (is_static(*child))
            add_variable_node(*child);
          else
            mention(TypeUses::reference_type(*child), Behind::nothing, node.locals, 0);
          break;
        case DW_TAG_lexical_block:
          walk(*child, node, outermost, seen, depth + 1);
          break;
        case DW_TAG_inlined_subroutine:
          walk(*child, node, false, seen, depth + 1);
          break;
        case DW_TAG_call_site:
        case DW_TAG_GNU_call_site:
          add_callee(*child);
          break;
        default:
          break;
      }
    }
  }

  static bool is_static(Dwarf_Die variable) {
    // The first operation of its location is an address, or one of the thread-local forms.
    Dwarf_Attribute attribute;
    Dwarf_Block block;
    if (::dwarf_attr(&variable, DW_AT_location, &attribute) == nullptr || ::dwarf_formblock(&attribute, &block) != 0 ||
        block.length == 0)
      return false;
    const uint8_t last = block.data[block.length - 1];
    return block.data[0] == DW_OP_addr || block.data[0] == DW_OP_addrx || last == DW_OP_form_tls_address ||
           last == DW_OP_GNU_push_tls_address;
  }

  void add_callee(Dwarf_Die site) {
    auto callee = has(site, DW_AT_call_origin) ? reference(site, DW_AT_call_origin) : std::nullopt;
    if (!callee && has(site, DW_AT_abstract_origin)) callee = reference(site, DW_AT_abstract_origin);
    if (!callee) return;
    CalleeNode node;
    const auto result = TypeUses::stripped(TypeUses::reference_type(*callee));
    node.gives_pointer = result && (is_reference_tag(tag(*result)) || TypeUses::is_aggregate(*result));
    for (auto child = first_child(*callee); child; child = sibling(*child)) {
      if (tag(*child) != DW_TAG_formal_parameter) continue;
      const auto type = TypeUses::stripped(TypeUses::reference_type(*child));
      const auto target =
          type && is_reference_tag(tag(*type)) ? TypeUses::stripped(TypeUses::reference_type(*type)) : std::nullopt;
      node.gives_pointer |= target && is_reference_tag(tag(*target));
    }
    CalleeNode &known = out_.callees[std::string(linkage_name_of(*callee))];
    known.gives_pointer |= node.gives_pointer;
  }

  TypeEntries entries_;
  TypeGraph out_;
};

}  // namespace

Result<TypeGraph> list_type_graph(const Object &object) {
  return GraphLister(TRY(list_types(object))).run();
}

}  // namespace suture::dwarf
