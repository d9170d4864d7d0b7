#include "diff/twins.h"

#include <algorithm>
#include <map>
#include <string>

#include "diff/names.h"

namespace suture {

namespace {

using SectionList = std::vector<uint32_t>;

std::string key_of(const ObjectSection &section) {
  // Merged sections are told apart by entry size and alignment only, which their names hold.
  if (section.is_merged()) return section.name;
  return without_numbers(section.name);
}

// Equal but for the fields that edges cover.
bool same_shape(const ObjectSection &a, const ObjectSection &b) {
  if (a.kind != b.kind || a.size_bytes != b.size_bytes || a.edges.size() != b.edges.size() || a.bytes.size() != b.bytes.size()) return false;
  uint64_t from = 0;
  for (size_t e = 0; e < a.edges.size(); ++e) {
    const Edge &ea = a.edges[e];
    const Edge &eb = b.edges[e];
    if (ea.offset != eb.offset || ea.kind != eb.kind) return false;
    if (ea.offset > from && !std::equal(a.bytes.begin() + static_cast<ptrdiff_t>(from), a.bytes.begin() + static_cast<ptrdiff_t>(ea.offset),
                                        b.bytes.begin() + static_cast<ptrdiff_t>(from)))
      return false;
    from = std::max(from, ea.offset + edge_bytes(ea.kind));
  }
  return std::equal(a.bytes.begin() + static_cast<ptrdiff_t>(std::min<uint64_t>(from, a.bytes.size())), a.bytes.end(),
                    b.bytes.begin() + static_cast<ptrdiff_t>(std::min<uint64_t>(from, b.bytes.size())));
}

}  // namespace

class TwinFinder {
 public:
  TwinFinder(CodeCache &pre, CodeCache &post, uint32_t object)
      : pre_(pre), post_(post), object_(object), a_(pre.program().object(object)), b_(post.program().object(object)) {}

  Twins::ObjectTwins run() {
    out_.identical = false;
    out_.pre_of.resize(b_.sections.size());
    out_.post_of.resize(a_.sections.size());
    out_.ambiguous.resize(b_.sections.size());
    group();
    pair_by_owner();
    for (const auto &[key, group] : groups_)
      if (group.first.size() == 1 && group.second.size() == 1 && free_post(group.second[0])) pair(group.first[0], group.second[0]);
    pair_by_contents();
    vote();
    find_contested();
    for (const auto &[key, group] : groups_) settle(group);
    return std::move(out_);
  }

 private:
  using Group = std::pair<SectionList, SectionList>;

  void group() {
    for (uint32_t s = 1; s < a_.sections.size(); ++s)
      if (a_.sections[s].loaded()) groups_[key_of(a_.sections[s])].first.push_back(s);
    for (uint32_t s = 1; s < b_.sections.size(); ++s)
      if (b_.sections[s].loaded()) groups_[key_of(b_.sections[s])].second.push_back(s);
  }

  void pair(uint32_t pre, uint32_t post) {
    out_.pre_of[post] = pre;
    out_.post_of[pre] = post;
  }
  bool free_pre(uint32_t s) const { return !out_.post_of[s]; }
  bool free_post(uint32_t s) const { return !out_.pre_of[s]; }
  bool may_pair(uint32_t pre, uint32_t post) const {
    return free_pre(pre) && free_post(post) && !contested_pre_[pre] && !contested_post_[post];
  }

  // Static locals of one name are told apart by the functions that declare them, where debugging information says which.
  void pair_by_owner() {
    std::map<std::pair<std::string, std::string>, Group> owned;
    for (const auto &[key, group] : groups_) {
      for (const uint32_t a : group.first)
        if (!a_.sections[a].owner.empty()) owned[{key, a_.sections[a].owner}].first.push_back(a);
      for (const uint32_t b : group.second)
        if (!b_.sections[b].owner.empty()) owned[{key, b_.sections[b].owner}].second.push_back(b);
    }
    for (const auto &[name, group] : owned)
      if (group.first.size() == 1 && group.second.size() == 1) pair(group.first[0], group.second[0]);
  }

  // Clones of one function (foo.constprop.0 and .1) and the names that functions have for themselves (__func__.0 and .1): their
  // contents tell them apart, where they differ.
  void pair_by_contents() {
    for (const auto &[key, group] : groups_) {
      if (group.first.size() <= 1 && group.second.size() <= 1) continue;
      for (const uint32_t b : group.second) {
        if (!is_known_by_contents(b_.sections[b]) || !free_post(b)) continue;
        SectionList equal;
        for (const uint32_t a : group.first)
          if (free_pre(a) && same_shape(a_.sections[a], b_.sections[b])) equal.push_back(a);
        const auto rivals = std::count_if(group.second.begin(), group.second.end(), [&](uint32_t other) {
          return free_post(other) && same_shape(b_.sections[b], b_.sections[other]);
        });
        if (equal.size() == 1 && rivals == 1) pair(equal[0], b);
      }
    }
  }

  // A table that holds addresses is not: only the fields around them could be compared here.
  static bool is_known_by_contents(const ObjectSection &section) {
    return section.kind == ObjectSection::Kind::code || (section.kind == ObjectSection::Kind::rodata && section.edges.empty());
  }

  // The section a reference points into, if it lies in this object.
  std::optional<uint32_t> local_target(CodeCache &side, uint32_t section, uint32_t edge) {
    const Reference reference = side.reference(object_, section, edge);
    if (reference.place.kind != Place::Kind::section || reference.place.object != object_) return std::nullopt;
    return reference.place.section;
  }

  // Functions that are already paired vote for the pairing of what they refer to: with full weight where their code is
  // equal, edge by edge; with little weight where it changed, in order of first use.
  void vote() {
    for (uint32_t b = 1; b < b_.sections.size(); ++b) {
      if (!out_.pre_of[b]) continue;
      const uint32_t a = *out_.pre_of[b];
      if (same_shape(a_.sections[a], b_.sections[b])) {
        for (uint32_t e = 0; e < b_.sections[b].edges.size(); ++e) {
          const auto ta = local_target(pre_, a, e);
          const auto tb = local_target(post_, b, e);
          if (ta && tb && free_pre(*ta) && free_post(*tb)) votes_[{*ta, *tb}] += kFullVote;
        }
      } else {
        vote_in_order(a, b);
      }
    }
  }

  // Functions that are equal but for which variable of a name they refer to: either some were changed to use another one, or the
  // compiler numbers anew and others were. No majority says which.
  void find_contested() {
    contested_pre_.resize(a_.sections.size());
    contested_post_.resize(b_.sections.size());
    std::vector<std::optional<uint32_t>> of_pre(a_.sections.size());
    std::vector<std::optional<uint32_t>> of_post(b_.sections.size());
    for (const bool marking : {false, true})  // first who has two, then whoever has one of those
      for (const auto &[pair, votes] : votes_) {
        const auto [a, b] = pair;
        if (votes < kFullVote || !b_.sections[b].is_variable() || key_of(a_.sections[a]) != key_of(b_.sections[b])) continue;
        const bool contested = marking ? contested_pre_[a] || contested_post_[b]
                                       : of_pre[a].value_or(b) != b || of_post[b].value_or(a) != a;
        of_pre[a] = b;
        of_post[b] = a;
        if (!contested) continue;
        contested_pre_[a] = true;
        contested_post_[b] = true;
      }
  }

  void vote_in_order(uint32_t a, uint32_t b) {
    std::map<std::string, Group> used;
    const auto collect = [&](CodeCache &side, const ObjectGraph &graph, uint32_t section, SectionList Group::*list) {
      for (uint32_t e = 0; e < graph.sections[section].edges.size(); ++e) {
        const auto target = local_target(side, section, e);
        if (!target) continue;
        SectionList &seen = used[key_of(graph.sections[*target])].*list;
        if (std::find(seen.begin(), seen.end(), *target) == seen.end()) seen.push_back(*target);
      }
    };
    collect(pre_, a_, a, &Group::first);
    collect(post_, b_, b, &Group::second);
    for (const auto &[key, lists] : used)
      if (lists.first.size() == lists.second.size() && numbers_run_alike(lists))
        for (size_t i = 0; i < lists.first.size(); ++i) votes_[{lists.first[i], lists.second[i]}] += 1;
  }

  // Compilers number in the order of the source. Uses in another order than before (a fix that swaps two calls that are inlined) tell
  // nothing then: taking one variable for another would be worse than not knowing.
  bool numbers_run_alike(const Group &lists) const {
    if (!b_.sections[lists.second.front()].is_variable()) return true;
    for (size_t i = 1; i < lists.first.size(); ++i)
      if (is_numbered_before(a_.sections[lists.first[i - 1]].name, a_.sections[lists.first[i]].name) !=
          is_numbered_before(b_.sections[lists.second[i - 1]].name, b_.sections[lists.second[i]].name))
        return false;
    return true;
  }

  void settle(const Group &group) {
    if (group.first.size() <= 1 && group.second.size() <= 1) return;
    // Strongest votes first; a pair is taken when neither side has an equally strong rival.
    std::vector<std::pair<int, std::pair<uint32_t, uint32_t>>> ranked;
    for (const uint32_t a : group.first)
      for (const uint32_t b : group.second)
        if (const auto it = may_pair(a, b) ? votes_.find({a, b}) : votes_.end(); it != votes_.end()) ranked.push_back({it->second, {a, b}});
    std::sort(ranked.begin(), ranked.end(), [](const auto &x, const auto &y) { return x.first > y.first; });
    for (const auto &[weight, candidate] : ranked) {
      const auto [a, b] = candidate;
      if (!free_pre(a) || !free_post(b)) continue;
      const int mine = weight;
      const bool rival = std::any_of(ranked.begin(), ranked.end(), [&, ca = a, cb = b](const auto &other) {
        const bool same = other.second.first == ca && other.second.second == cb;
        const bool touches = other.second.first == ca || other.second.second == cb;
        return !same && touches && other.first == mine && free_pre(other.second.first) && free_post(other.second.second);
      });
      if (!rival) pair(a, b);
    }
    settle_by_name(group);
  }

  // What nothing refers to, or all refer to alike: equal names with equal shape, then the one that is left. One more or less of a
  // name moves the numbers of others, and then they do not say which variable is which.
  void settle_by_name(const Group &group) {
    const bool numbers_hold = group.first.size() == group.second.size();
    for (const uint32_t b : group.second)
      for (const uint32_t a : group.first)
        if ((numbers_hold || !b_.sections[b].is_variable()) && may_pair(a, b) && a_.sections[a].name == b_.sections[b].name && same_shape(a_.sections[a], b_.sections[b]))
          pair(a, b);
    SectionList left_a;
    SectionList left_b;
    std::copy_if(group.first.begin(), group.first.end(), std::back_inserter(left_a), [&](uint32_t s) { return free_pre(s); });
    std::copy_if(group.second.begin(), group.second.end(), std::back_inserter(left_b), [&](uint32_t s) { return free_post(s); });
    if (left_a.size() == 1 && left_b.size() == 1) return pair(left_a[0], left_b[0]);
    pair_equal_constants(left_a, left_b);
    for (const uint32_t b : left_b)
      out_.ambiguous[b] = free_post(b) && std::any_of(left_a.begin(), left_a.end(), [&](uint32_t a) { return free_pre(a) && may_be_twins(a, b); });
  }

  // Constants have no state: of several that are equal any will do.
  void pair_equal_constants(const SectionList &left_a, const SectionList &left_b) {
    for (const uint32_t b : left_b) {
      if (!b_.sections[b].is_constant() || !is_known_by_contents(b_.sections[b])) continue;
      for (const uint32_t a : left_a)
        if (may_pair(a, b) && same_shape(a_.sections[a], b_.sections[b])) pair(a, b);
    }
  }

  // A constant that is unlike each old one is new to its users, whichever it stands for: they are replaced, and bring it along.
  bool may_be_twins(uint32_t a, uint32_t b) const {
    return !b_.sections[b].is_constant() || same_shape(a_.sections[a], b_.sections[b]);
  }

  CodeCache &pre_;
  CodeCache &post_;
  uint32_t object_;
  const ObjectGraph &a_;
  const ObjectGraph &b_;
  std::map<std::string, Group> groups_;
  static constexpr int kFullVote = 1000;
  std::map<std::pair<uint32_t, uint32_t>, int> votes_;
  std::vector<bool> contested_pre_;
  std::vector<bool> contested_post_;
  Twins::ObjectTwins out_;
};

Twins Twins::make(CodeCache &pre, CodeCache &post, const std::vector<bool> &changed) {
  Twins twins;
  twins.objects_.resize(changed.size());
  for (uint32_t o = 0; o < changed.size(); ++o)
    if (changed[o]) twins.objects_[o] = TwinFinder(pre, post, o).run();
  return twins;
}

std::optional<uint32_t> Twins::pre_of(uint32_t object, uint32_t post_section) const {
  const ObjectTwins &twins = objects_[object];
  return twins.identical ? std::optional(post_section) : twins.pre_of[post_section];
}

std::optional<uint32_t> Twins::post_of(uint32_t object, uint32_t pre_section) const {
  const ObjectTwins &twins = objects_[object];
  return twins.identical ? std::optional(pre_section) : twins.post_of[pre_section];
}

bool Twins::ambiguous(uint32_t object, uint32_t post_section) const {
  const ObjectTwins &twins = objects_[object];
  return !twins.identical && twins.ambiguous[post_section];
}

}  // namespace suture
