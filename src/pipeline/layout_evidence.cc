#include "pipeline/layout_evidence.h"

#include <algorithm>

#include "base/byte_writer.h"
#include "base/cat.h"
#include "diff/names.h"

namespace suture {

namespace {

using Kind = ObjectSection::Kind;

constexpr size_t kMostNames = 6;
constexpr uint64_t kLeastTellingSize = 24;  // smaller numbers mean anything

// "foo.part.0.cold" and "foo.constprop.1" are foo in the debugging information.
std::string base_function(std::string_view name) {
  return std::string(name.substr(0, name.find('.')));
}

bool meets(const std::set<std::string> &names, const std::set<std::string> &others) {
  return std::any_of(others.begin(), others.end(), [&](const std::string &name) { return names.contains(name); });
}

template <typename List>
std::string some_of(const List &names) {
  std::string text;
  size_t told = 0;
  for (const std::string &name : names) {
    if (told == kMostNames) return cat(text, " and ", names.size() - told, " more");
    text += cat(told++ == 0 ? "" : ", ", name);
  }
  return text;
}

// Functions of the C standard (and their checked forms in glibc) that keep no pointer and give none but into their
// arguments.
bool is_harmless_call(std::string_view name) {
  // clang-format off
  static const std::set<std::string_view> known = {
      "memcpy", "memmove", "memset", "memcmp", "memchr", "strlen", "strnlen", "strcmp", "strncmp", "strcasecmp", "strncasecmp",
      "strcpy", "strncpy", "strcat", "strncat", "strchr", "strrchr", "strstr", "strspn", "strcspn", "strpbrk", "printf", "fprintf",
      "snprintf", "sprintf", "vsnprintf", "puts", "putchar", "fputs", "fputc", "fwrite", "abort", "exit", "free", "abs", "toupper",
      "tolower", "isalpha", "isdigit", "isspace", "atoi", "__memcpy_chk", "__memset_chk", "__memmove_chk", "__strcpy_chk",
      "__strcat_chk", "__printf_chk", "__fprintf_chk", "__snprintf_chk", "__sprintf_chk", "__vsnprintf_chk", "__stack_chk_fail",
      "__assert_fail", "__errno_location"};
  // clang-format on
  return known.contains(name);
}

bool is_plain_data(const ObjectSection &section) {
  return section.is_variable() || section.is_constant() || section.kind == Kind::init;
}

}  // namespace

LayoutEvidence::LayoutEvidence(const TypeGraph &graph, const DiffInput &input) : graph_(graph), in_(input) {
  const Program &pre = in_.pre->program();
  for (uint32_t o = 0; o < pre.object_count(); ++o)
    for (const ObjectSymbol &symbol : pre.object(o).symbols)
      if (symbol.in_section() && symbol.name.find('.') == std::string::npos &&
          pre.object(o).sections[symbol.section].kind == Kind::code)
        place_of_.emplace(std::pair(o, symbol.name), pre.section_place(o, symbol.section));
  // A clone has its own code only where the function itself has none.
  for (uint32_t o = 0; o < pre.object_count(); ++o)
    for (const ObjectSymbol &symbol : pre.object(o).symbols)
      if (symbol.in_section() && symbol.kind == ObjectSymbol::Kind::function &&
          pre.object(o).sections[symbol.section].kind == Kind::code) {
        const std::pair key(o, base_function(symbol.name));
        place_of_.emplace(key, pre.section_place(o, symbol.section));
        if (!is_part_name(symbol.name)) bodies_.emplace(key, pre.section_place(o, symbol.section));
      }
  for (const FunctionNode &node : graph_.functions) {
    by_name_.emplace(node.name, &node);
    if (const auto place = place_of_.find({node.object, node.name}); place != place_of_.end())
      nodes_.emplace(place->second, &node);
  }
}

LayoutJudgement LayoutEvidence::judge(const std::string &type) {
  const Family family = family_of(type);
  const Users users = users_of(family);
  std::vector<std::string> against;
  const auto add = [&](std::string reason) {
    if (!reason.empty()) against.push_back(std::move(reason));
  };
  add(lasting(family));
  add(handed_out(users, family));
  // What only leaves it open is told when nothing shows that there are such objects.
  if (against.empty()) add(reached_freely(users, family));
  if (against.empty()) add(comes_from_elsewhere(users, family));
  if (against.empty()) add(in_progress(users));
  if (against.empty()) add(outlives_calls());
  if (against.empty() && !graph_.unread.empty()) add(cat("the types of ", some_of(graph_.unread), " are not known"));
  if (against.empty())
    return {true, cat("it lives only on the stacks of functions that are replaced: no variable and no type leads to "
                      "it, and none of the ",
                      users.size(), " functions that may use it gets a pointer that could be one from elsewhere")};
  std::string told = "objects of it may be alive: ";
  for (size_t i = 0; i < against.size(); ++i) told += cat(i == 0 ? "" : "; ", against[i]);
  return {false, cat(told, makers(users, family), handled_by(users))};
}

bool LayoutEvidence::Family::holds(const TypeMentions &mentions) const {
  return meets(holders, mentions.values);
}
bool LayoutEvidence::Family::points(const TypeMentions &mentions) const {
  return meets(holders, mentions.pointers) || meets(parts, mentions.pointers);
}

LayoutEvidence::Family LayoutEvidence::family_of(const std::string &type) const {
  Family family{{type}, {}, {}};
  for (bool again = true; again;) {
    again = false;
    for (const auto &[name, node] : graph_.types)
      if (meets(family.holders, node.members.values) && family.holders.insert(name).second) again = true;
  }
  std::vector<std::string> open(family.holders.begin(), family.holders.end());
  while (!open.empty()) {
    const auto node = graph_.types.find(open.back());
    open.pop_back();
    if (node == graph_.types.end()) continue;
    for (const std::string &part : node->second.members.values)
      if (!family.holders.contains(part) && family.parts.insert(part).second) open.push_back(part);
  }
  if (const auto own = graph_.types.find(type); own != graph_.types.end()) family.objects = own->second.objects;
  return family;
}

LayoutEvidence::Hand LayoutEvidence::hand_of(const FunctionNode &node, const Family &family) {
  Hand hand = Hand::none;
  for (const TypeMentions *mentions : {&node.parameters, &node.locals, &node.result}) {
    if (family.holds(*mentions)) return Hand::value;
    if (meets(family.holders, mentions->pointers)) hand = Hand::pointer;
  }
  return hand;
}

// All that the function was compiled to: clones, parts, and itself. Cold parts go with what they belong to.
bool LayoutEvidence::is_replaced(const FunctionNode &node) const {
  const auto [first, last] = bodies_.equal_range({node.object, node.name});
  return first != last && std::all_of(first, last, [&](const auto &body) {
           const Place &pre = body.second;
           const auto twin = in_.twins->post_of(pre.object, pre.section);
           return twin && in_.comparison->of(pre.object, *twin) == Change::changed;
         });
}

// Also what changes where the type is known: it may use one through a cast, which leaves no trace among its variables.
LayoutEvidence::Users LayoutEvidence::users_of(const Family &family) const {
  Users users;
  for (const auto &[place, node] : nodes_) {
    const Hand hand = hand_of(*node, family);
    const bool replaced = is_replaced(*node);
    if (hand != Hand::none || (replaced && family.objects.contains(node->object)))
      users[place] = {node, hand, replaced};
  }
  return users;
}

// What outlives every call: variables and types that hold it or lead to it.
std::string LayoutEvidence::lasting(const Family &family) const {
  Names variables;
  Names types;
  for (const VariableNode &variable : graph_.variables)
    if (family.holds(variable.type))
      variables.insert(variable.name);
    else if (meets(family.holders, variable.type.pointers))
      variables.insert(cat(variable.name, " (a pointer to it)"));
  for (const auto &[name, node] : graph_.types)
    if (meets(family.holders, node.members.pointers)) types.insert(name);
  std::string text;
  if (!variables.empty()) text = cat("variables of it are ", some_of(variables));
  if (!types.empty()) text += cat(text.empty() ? "" : "; ", "pointers to it are in ", some_of(types));
  return text;
}

bool LayoutEvidence::is_exported(const std::string &name) const {
  return std::any_of(in_.image->dynamic_symbols.begin(), in_.image->dynamic_symbols.end(),
                     [&](const ImageSymbol &symbol) { return symbol.defined && symbol.name == name; });
}

// A stack that is left and gone on with later still holds what its functions had on it; nobody sees such stacks.
std::string LayoutEvidence::outlives_calls() const {
  for (const ImageSymbol &symbol : in_.image->dynamic_symbols)
    if (!symbol.defined &&
        (symbol.name == "makecontext" || symbol.name == "swapcontext" || symbol.name == "setcontext"))
      return cat("the program leaves stacks and goes on with them later (", symbol.name,
                 "), and what they hold is not seen");
  return {};
}

// The code that a reference leads to, parts and clones as the function that they belong to.
std::optional<Place> LayoutEvidence::function_place(const Reference &reference) const {
  const Program &pre = in_.pre->program();
  if (reference.place.kind == Place::Kind::section) return owner(reference.place.object, reference.place.section);
  if (reference.place.kind != Place::Kind::named || reference.place.name == Program::kModuleTls) return std::nullopt;
  const auto definition = pre.definition(pre.name(reference.place.name));
  if (!definition) return std::nullopt;
  const ObjectSymbol &symbol = pre.object(definition->object).symbols[definition->symbol];
  if (!symbol.in_section()) return std::nullopt;
  return owner(definition->object, symbol.section);
}

std::optional<Place> LayoutEvidence::owner(uint32_t object, uint32_t section) const {
  const Program &pre = in_.pre->program();
  const Place place = pre.section_place(object, section);
  if (pre.section(place).kind != Kind::code) return std::nullopt;
  const auto whole = place_of_.find({place.object, base_function(pre.describe(place))});
  return whole == place_of_.end() ? place : whole->second;
}

// Functions that give one to whoever calls them.
std::string LayoutEvidence::handed_out(const Users &users, const Family &family) const {
  Names exported;
  Names giving;
  for (const auto &[place, user] : users) {
    const bool takes =
        meets(family.holders, user.node->parameters.pointers) || meets(family.holders, user.node->result.pointers);
    if (takes && is_exported(user.node->name)) exported.insert(user.node->name);
    if (meets(family.holders, user.node->result.pointers)) giving.insert(user.node->name);
  }
  std::string text;
  if (!exported.empty()) text = cat("other modules may have one, by ", some_of(exported), ", which the image exports");
  if (!giving.empty()) text += cat(text.empty() ? "" : "; ", "pointers to it are returned by ", some_of(giving));
  return text;
}

// A table or a function that does not know the type may be the one that brings an object.
std::string LayoutEvidence::reached_freely(const Users &users, const Family &family) {
  const Program &pre = in_.pre->program();
  for (uint32_t o = 0; o < pre.object_count(); ++o)
    for (uint32_t s = 1; s < pre.object(o).sections.size(); ++s)
      if (std::string reason = reached_from(o, s, users, family); !reason.empty()) return reason;
  return {};
}

std::string LayoutEvidence::reached_from(uint32_t object, uint32_t section_index, const Users &users,
                                         const Family &family) {
  const Program &pre = in_.pre->program();
  const ObjectSection &section = pre.object(object).sections[section_index];
  if (section.kind != Kind::code && !is_plain_data(section)) return {};
  const auto from = section.kind == Kind::code ? owner(object, section_index) : std::nullopt;
  for (uint32_t e = 0; e < section.edges.size(); ++e) {
    const Reference reference = in_.pre->reference(object, section_index, e);
    const auto target = function_place(reference);
    const auto user = target ? users.find(*target) : users.end();
    if (user == users.end() || !family.points(user->second.node->parameters) || (from && *from == user->first))
      continue;
    const std::string &name = user->second.node->name;
    // A jump table leads into its function, and is used by it alone.
    if (!from && reference.place.kind == Place::Kind::section && reference.offset != 0) continue;
    if (!from)
      return cat(pre.describe({Place::Kind::section, object, section_index, 0, 0}), " holds the address of ", name,
                 ", which takes one");
    if (!users.contains(*from))
      return cat(pre.describe(*from), " calls ", name, " with one and does not know its type");
    const std::shared_ptr<const Code> code = in_.pre->code(object, section_index);
    const auto &instructions = code->instructions;
    const bool called = std::any_of(instructions.begin(), instructions.end(), [&](const CodeInstruction &entry) {
      return e >= entry.first_edge && e < entry.first_edge + entry.edge_count &&
             entry.insn.flow != Instruction::Flow::next;
    });
    if (!called) return cat(pre.describe(*from), " takes the address of ", name, ", which takes one");
  }
  return {};
}

// A call may give a pointer to such an object, unless what is declared of the function says otherwise.
std::string LayoutEvidence::call_gives_object(const User &user, uint32_t object, uint32_t section,
                                              const CodeInstruction &instruction, const Users &users) {
  using Flow = Instruction::Flow;
  const Flow flow = instruction.insn.flow;
  if (flow != Flow::call && flow != Flow::jump && flow != Flow::branch && flow != Flow::indirect_call &&
      flow != Flow::indirect)
    return {};
  if (instruction.edge_count == 0)
    return flow == Flow::indirect_call || flow == Flow::indirect ? cat(user.node->name, " calls through a pointer")
                                                                 : std::string();
  const Reference reference = in_.pre->reference(object, section, instruction.first_edge);
  const auto target = function_place(reference);
  if (target && users.contains(*target)) return {};
  const std::string name = base_function(in_.pre->program().describe(target.value_or(reference.place)));
  if (!target && is_harmless_call(name)) return {};
  const auto declared = graph_.callees.find(name);
  const auto [first, last] = by_name_.equal_range(name);
  if (declared == graph_.callees.end() && first == last)
    return cat(user.node->name, " calls ", name, ", of which it is not known what it gives");
  bool gives = declared != graph_.callees.end() && declared->second.gives_pointer;
  for (auto it = first; it != last; ++it) {
    const FunctionNode &callee = *it->second;
    gives |= !callee.result.pointers.empty() || !callee.result.values.empty() || callee.result.untyped ||
             callee.parameters.untyped;
  }
  return gives ? cat(user.node->name, " gets a pointer from ", name) : std::string();
}

// So may memory that it can read: a variable of the program, or a pointer without a type in something that it has in
// hand.
std::string LayoutEvidence::memory_gives_object(const User &user, uint32_t object, uint32_t section) const {
  const Program &pre = in_.pre->program();
  for (uint32_t e = 0; e < pre.object(object).sections[section].edges.size(); ++e) {
    const Place place = in_.pre->reference(object, section, e).place;
    if (place.kind != Place::Kind::section || !pre.section(place).is_variable()) continue;
    const std::string name = base_function(pre.describe(place));
    const auto known = std::find_if(graph_.variables.begin(), graph_.variables.end(), [&](const VariableNode &node) {
      return base_function(node.name) == name && (node.object == place.object);
    });
    const bool plain = known != graph_.variables.end() && !known->type.untyped && !known->type.raw &&
                       known->type.pointers.empty() && known->type.values.empty();
    if (!plain) return cat(user.node->name, " uses the variable ", pre.describe(place));
  }
  return {};
}

std::string LayoutEvidence::hand_gives_object(const User &user, const Family &family) const {
  const FunctionNode &node = *user.node;
  for (const TypeMentions *mentions : {&node.parameters, &node.locals}) {
    if (mentions->untyped) return cat(node.name, " has a pointer without a type in hand, or one to characters");
    for (const std::string &type : mentions->pointers) {
      if (family.parts.contains(type))
        return cat(node.name, " has a pointer to a ", type, " in hand, which may be part of one");
      if (std::string way = leads_anywhere(type, Where::elsewhere); !way.empty())
        return cat(node.name, " has a pointer to a ", type, " in hand, and ", way);
    }
    for (const std::string &type : mentions->values)
      if (std::string way = leads_anywhere(type, Where::own_stack); !way.empty())
        return cat(node.name, " has a ", type, " in hand, and ", way);
  }
  return {};
}

// Whether memory that is reached from an object of a type may hold one of the family.
std::string LayoutEvidence::leads_anywhere(const std::string &type, Where where) const {
  Names seen = {type};
  std::vector<std::string> open = {type};
  while (!open.empty()) {
    const std::string name = std::move(open.back());
    open.pop_back();
    const auto node = graph_.types.find(name);
    if (node == graph_.types.end()) return cat("what a ", name, " holds is not known");
    const TypeMentions &members = node->second.members;
    if (members.untyped) return cat(name, " has pointers without a type, or to characters");
    // What a function has on its own stack is gone with it.
    if (members.raw && (where == Where::elsewhere || name != type))
      return cat(name, " has room for anything, as characters");
    for (const Names *next : {&members.values, &members.pointers})
      for (const std::string &further : *next)
        if (seen.insert(further).second) open.push_back(further);
  }
  return {};
}

std::string LayoutEvidence::comes_from_elsewhere(const Users &users, const Family &family) {
  const Program &pre = in_.pre->program();
  for (const auto &[place, user] : users)
    if (std::string source = hand_gives_object(user, family); !source.empty()) return source;
  for (uint32_t o = 0; o < pre.object_count(); ++o)
    for (uint32_t s = 1; s < pre.object(o).sections.size(); ++s) {
      if (pre.object(o).sections[s].kind != Kind::code) continue;
      const auto function = owner(o, s);
      const auto user = function ? users.find(*function) : users.end();
      if (user == users.end()) continue;
      const std::shared_ptr<const Code> decoded = in_.pre->code(o, s);
      const Code &code = *decoded;
      if (!code.complete) return cat("the code of ", user->second.node->name, " cannot be decoded");
      for (const CodeInstruction &instruction : code.instructions)
        if (std::string source = call_gives_object(user->second, o, s, instruction, users); !source.empty())
          return source;
      if (std::string source = memory_gives_object(user->second, o, s); !source.empty()) return source;
    }
  return {};
}

// An object on the stack is gone when its function is replaced, for that function is not in progress then. A function
// that only passes on what it was given owns none; one that hands out a pointer may own one that has no name.
std::string LayoutEvidence::in_progress(const Users &users) {
  const Program &pre = in_.pre->program();
  for (const auto &[place, user] : users) {
    if (user.replaced) continue;
    if (user.hand == Hand::value) return cat(user.node->name, " has one on its stack and is not replaced");
    for (uint32_t e = 0; e < pre.section(place).edges.size(); ++e) {
      const auto target = function_place(in_.pre->reference(place.object, place.section, e));
      if (target && *target != place && users.contains(*target))
        return cat(user.node->name, " passes one on and is not replaced");
    }
  }
  return {};
}

// Functions whose code hands the size of one to a function that gives a pointer, or to one that is called through a
// pointer.
std::string LayoutEvidence::makers(const Users &users, const Family &family) {
  std::set<uint64_t> sizes;
  for (const std::string &name : family.holders)
    if (const auto node = graph_.types.find(name);
        node != graph_.types.end() && node->second.size_bytes >= kLeastTellingSize)
      sizes.insert(node->second.size_bytes);
  Names found;
  for (const auto &[place, user] : users)
    if (const std::string how = made_in(place, sizes); !how.empty()) found.insert(cat(user.node->name, " (", how, ")"));
  return found.empty() ? std::string() : cat("; made by ", some_of(found));
}

std::string LayoutEvidence::made_in(const Place &place, const std::set<uint64_t> &sizes) {
  using Flow = Instruction::Flow;
  const ObjectSection &section = in_.pre->program().section(place);
  uint64_t size = 0;
  const std::shared_ptr<const Code> code = in_.pre->code(place.object, place.section);
  for (const CodeInstruction &entry : code->instructions) {
    for (unsigned i = 0; i < 2; ++i)
      if (entry.insn.imm_bytes[i] == 4)
        if (const uint32_t value = load<uint32_t>(section.bytes, entry.at + entry.insn.imm_offset[i]);
            sizes.contains(value))
          size = value;
    const Flow flow = entry.insn.flow;
    if (flow == Flow::next || flow == Flow::branch || size == 0) continue;
    if (flow == Flow::indirect_call && entry.edge_count == 0)
      return cat(size, " bytes, from a function that is called through a pointer");
    if (flow == Flow::call || flow == Flow::indirect_call || (flow == Flow::jump && entry.edge_count != 0)) {
      const std::string name =
          entry.edge_count == 0
              ? std::string()
              : in_.pre->program().describe(in_.pre->reference(place.object, place.section, entry.first_edge).place);
      if (!name.empty() && !is_harmless_call(name)) return cat(size, " bytes, by ", name);
    }
    size = 0;
  }
  return {};
}

std::string LayoutEvidence::handled_by(const Users &users) const {
  Names staying;
  size_t in_hand = 0;
  for (const auto &[place, user] : users) {
    if (user.hand == Hand::none) continue;
    ++in_hand;
    if (!user.replaced) staying.insert(user.node->name);
  }
  if (in_hand == 0) return {};
  const std::string text = cat("; ", in_hand, " functions have it in hand");
  return staying.empty() ? cat(text, ", all of which are replaced")
                         : cat(text, ", of which ", staying.size(), " are not replaced (", some_of(staying), ")");
}

}  // namespace suture
