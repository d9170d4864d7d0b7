// What changed between the pre and post objects, section by section (one function or variable each), with the reason.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "diff/code_cache.h"
#include "diff/twins.h"

namespace suture {

enum class Change : uint8_t { same, changed, added, removed };
std::string_view name_of(Change change);

struct Difference {
  Change change = Change::same;
  uint32_t object = 0;
  uint32_t section = 0;  // in the post object; in the pre object when removed
  std::string name;
  std::string reason;
};

class Comparison {
 public:
  static Comparison make(CodeCache &pre, CodeCache &post, const Twins &twins, const std::vector<bool> &changed_objects);

  Change of(uint32_t object, uint32_t post_section) const;
  const std::string &reason(uint32_t object, uint32_t post_section) const;
  // Everything that is not the same, code and data, in object order.
  const std::vector<Difference> &differences() const { return differences_; }
  // Takes changed functions, with their cold parts, out of what the patch replaces, at its author's word: they stay as they are, and
  // patched code that calls them calls the old ones.
  void leave(const Program &post, const std::set<std::string> &names);
  const std::vector<Difference> &left() const { return left_; }
  // Whether a global name of the pre program stands for something else now. What refers to it is changed.
  bool redefined(const std::string &name) const { return redefined_.contains(name); }
  const std::set<std::string> &redefined() const { return redefined_; }
  // The pre place of a post place that exists in both; nullopt for what is new.
  static std::optional<Place> pre_place(const Program &pre, const Program &post, const Twins &twins, const Place &post_place);

 private:
  friend class Comparer;
  std::map<std::pair<uint32_t, uint32_t>, size_t> index_;
  std::vector<Difference> differences_;
  std::vector<Difference> left_;
  std::set<std::string> redefined_;
};

}  // namespace suture
