// Where objects of a type whose layout a fix changes can be when the patch takes effect. Code is no question: a
// function that depends on what changed is compiled to other code and thereby replaced. What counts are objects that
// were made before. They cannot be there if the type lives on the stacks of replaced functions only, for none of those
// is in progress then.
//
// The judgement rests on the language's own rule (C 6.5p7, C++ [basic.lval]): an object is reached through its own
// type, a type that holds it or that it begins with, characters, or a pointer to void. Whatever of that kind a function
// that may use the type has in hand, and that is not known to be something else, speaks against safety; what is not
// known does too.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "build/type_graph.h"
#include "diff/make_patch.h"

namespace suture {

struct LayoutJudgement {
  bool safe = false;
  // When safe, why; else where objects live, who makes them, who uses them, and what speaks against safety.
  std::string told;
};

class LayoutEvidence {
 public:
  LayoutEvidence(const TypeGraph &graph, const DiffInput &input);

  // `type`: a struct, class or union, by the name that it has in the graph.
  LayoutJudgement judge(const std::string &type);

 private:
  using Names = std::set<std::string>;
  // The type with all that hold it by value, and what these hold.
  struct Family {
    Names holders;
    Names parts;
    std::set<uint32_t> objects;  // that know the type in full
    bool holds(const TypeMentions &mentions) const;
    bool points(const TypeMentions &mentions) const;
  };
  enum class Hand : uint8_t {
    none,
    pointer,
    value
  };  // what a function has of the family, as far as its variables tell
  struct User {
    const FunctionNode *node = nullptr;
    Hand hand = Hand::none;
    bool replaced = false;
  };
  using Users = std::map<Place, User>;
  enum class Where : uint8_t { own_stack, elsewhere };  // of an object that is in hand

  Family family_of(const std::string &type) const;
  Users users_of(const Family &family) const;
  static Hand hand_of(const FunctionNode &node, const Family &family);
  bool is_replaced(const FunctionNode &node) const;

  // Reasons against safety: each is empty when there is none.
  std::string lasting(const Family &family) const;
  std::string outlives_calls() const;
  std::string handed_out(const Users &users, const Family &family) const;
  std::string reached_freely(const Users &users, const Family &family);
  std::string reached_from(uint32_t object, uint32_t section, const Users &users, const Family &family);
  std::string comes_from_elsewhere(const Users &users, const Family &family);
  std::string call_gives_object(const User &user, uint32_t object, uint32_t section, const CodeInstruction &instruction,
                                const Users &users);
  std::string memory_gives_object(const User &user, uint32_t object, uint32_t section) const;
  std::string hand_gives_object(const User &user, const Family &family) const;
  std::string leads_anywhere(const std::string &type, Where where) const;
  std::string in_progress(const Users &users);

  std::string makers(const Users &users, const Family &family);
  std::string made_in(const Place &place, const std::set<uint64_t> &sizes);
  std::string handled_by(const Users &users) const;

  std::optional<Place> function_place(const Reference &reference) const;
  std::optional<Place> owner(uint32_t object, uint32_t section) const;
  bool is_exported(const std::string &name) const;

  const TypeGraph &graph_;
  const DiffInput &in_;
  std::map<Place, const FunctionNode *> nodes_;                 // functions of the graph by their code
  std::map<std::pair<uint32_t, std::string>, Place> place_of_;  // by object and name without parts and clones
  std::multimap<std::pair<uint32_t, std::string>, Place> bodies_;  // the same, each piece of code but cold parts
  std::multimap<std::string, const FunctionNode *> by_name_;
};

}  // namespace suture
