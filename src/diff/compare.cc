#include "diff/compare.h"

#include <algorithm>

#include "base/cat.h"
#include "base/demangle.h"
#include "diff/names.h"

namespace suture {

using Kind = ObjectSection::Kind;

std::string_view name_of(Change change) {
  switch (change) {
    case Change::same: return "same";
    case Change::changed: return "changed";
    case Change::added: return "new";
    case Change::removed: return "removed";
  }
  return "?";
}

namespace {

enum class Sort : uint8_t { code, constant, variable, thread_variable, other };

Sort sort_of(Kind kind) {
  switch (kind) {
    case Kind::code: return Sort::code;
    case Kind::rodata:
    case Kind::relro: return Sort::constant;
    case Kind::data:
    case Kind::bss: return Sort::variable;
    case Kind::tls_data:
    case Kind::tls_bss: return Sort::thread_variable;
    default: return Sort::other;
  }
}

// Whether something of the post program still is what was in a pre section: then what bears its name elsewhere is another thing.
bool lives_on(const Program &post, const Twins &twins, const Place &before) {
  const auto twin = twins.post_of(before.object, before.section);
  if (!twin) return false;
  for (const uint32_t s : post.symbols_in(before.object, *twin)) {
    const ObjectSymbol &symbol = post.object(before.object).symbols[s];
    if (symbol.local()) return true;
    const auto winner = post.definition(symbol.name);
    if (winner && winner->object == before.object && winner->symbol == s) return true;
  }
  return false;
}

// A section that is new in its object may have been in another object of the pre program all along. A fix that uses a template or an
// inline variable in one more file moves the copy that the linker keeps; and a fix may move a function or a variable to another file.
std::optional<Place> global_pre_place(const Program &pre, const Program &post, const Twins &twins, const Place &place) {
  const ObjectGraph &graph = post.object(place.object);
  const ObjectSection &section = graph.sections[place.section];
  for (const uint32_t s : post.symbols_in(place.object, place.section)) {
    const ObjectSymbol &now = graph.symbols[s];
    if (now.local()) continue;
    const auto definition = pre.definition(now.name);
    if (!definition) continue;
    const ObjectSymbol &symbol = pre.object(definition->object).symbols[definition->symbol];
    if (!symbol.in_section() || symbol.value != now.value) continue;
    const Place before = pre.section_place(definition->object, symbol.section);
    if (section.in_group) return before;
    const auto winner = post.definition(now.name);
    const bool wins = winner && winner->object == place.object && winner->symbol == s;
    if (wins && sort_of(pre.section(before).kind) == sort_of(section.kind) && !lives_on(post, twins, before)) return before;
  }
  return std::nullopt;
}

// Whether a global name of the pre program stands for something else now: an alias that was led elsewhere, a strong definition that
// came or went beside a weak one, a constant that became a variable. Code that is compiled to the same goes on using the old one.
bool is_redefined(const Program &pre, const Program &post, const Twins &twins, const std::string &name) {
  if (name.empty() || !pre.name_index(name) || !post.name_index(name) || without_numbers(name) != name) return false;
  const auto before = pre.definition(name);
  const auto now = post.definition(name);
  if (!before || !now) return before.has_value() != now.has_value();
  const ObjectSymbol &old_symbol = pre.object(before->object).symbols[before->symbol];
  const ObjectSymbol &new_symbol = post.object(now->object).symbols[now->symbol];
  if (!old_symbol.in_section() || !new_symbol.in_section()) return old_symbol.in_section() != new_symbol.in_section();
  if (holds_items(post.object(now->object).sections[new_symbol.section])) return false;  // compared by its contents
  const auto place = Comparison::pre_place(pre, post, twins, post.section_place(now->object, new_symbol.section));
  return !place || *place != pre.section_place(before->object, old_symbol.section);
}

// The name that a post name had before: another one where the compiler numbers (the second closure of a function became
// the third). Nothing when it stands for something that is new.
std::optional<std::string> name_before(const Program &pre, const Program &post, const Twins &twins, const std::string &name) {
  const auto definition = post.definition(name);
  if (!definition) return name;
  const ObjectSymbol &symbol = post.object(definition->object).symbols[definition->symbol];
  if (!symbol.in_section()) return name;
  const auto twin = twins.pre_of(definition->object, symbol.section);
  if (!twin) {
    // The old bearer of the name goes by another one now.
    const auto old = pre.definition(name);
    const bool taken = old && old->object == definition->object && pre.object(old->object).symbols[old->symbol].in_section() &&
                       twins.post_of(old->object, pre.object(old->object).symbols[old->symbol].section);
    return taken ? std::nullopt : std::optional(name);
  }
  std::optional<std::string> renumbered;
  for (const uint32_t s : pre.symbols_in(definition->object, *twin)) {
    const ObjectSymbol &old = pre.object(definition->object).symbols[s];
    if (old.name == name) return name;
    if (!renumbered && !old.local() && old.value == symbol.value && without_numbers(old.name) == without_numbers(name)) renumbered = old.name;
  }
  return renumbered ? renumbered : std::optional(name);
}

}  // namespace

std::optional<Place> Comparison::pre_place(const Program &pre, const Program &post, const Twins &twins, const Place &place) {
  Place out = place;
  if (place.kind == Place::Kind::named) {
    if (place.name == Program::kModuleTls) return place;
    const auto name = name_before(pre, post, twins, post.name(place.name));
    const auto index = name ? pre.name_index(*name) : std::nullopt;
    if (!index) return std::nullopt;
    out.name = *index;
    return out;
  }
  if (place.kind == Place::Kind::item) return std::nullopt;
  const auto section = twins.pre_of(place.object, place.section);
  if (!section) return global_pre_place(pre, post, twins, place);
  // The pre side's winner of a COMDAT section may be in another object.
  return pre.section_place(place.object, *section);
}

class Comparer {
 public:
  Comparer(CodeCache &pre, CodeCache &post, const Twins &twins) : pre_(pre), post_(post), twins_(twins) {}

  Comparison run(const std::vector<bool> &changed_objects) {
    for (uint32_t o = 0; o < changed_objects.size(); ++o)
      if (changed_objects[o]) compare_object(o);
    find_redefined(changed_objects);
    spread(changed_objects);
    return std::move(out_);
  }

 private:
  // Merged and anonymous sections are compared item by item where they are used; unwind data goes with its code.
  static bool judged(const ObjectSection &section) { return section.loaded() && section.kind != Kind::unwind && !holds_items(section); }

  void compare_object(uint32_t o) {
    const ObjectGraph &a = pre_.program().object(o);
    const ObjectGraph &b = post_.program().object(o);
    for (uint32_t s = 1; s < b.sections.size(); ++s) {
      if (!judged(b.sections[s])) continue;
      const auto twin = twins_.pre_of(o, s);
      if (!twin) {
        compare_moved(o, s);
        continue;
      }
      const std::string reason = difference({Place::Kind::section, o, *twin, 0, 0}, o, s);
      if (!reason.empty()) record(Change::changed, o, s, describe(post_, o, s), reason);
    }
    for (uint32_t s = 1; s < a.sections.size(); ++s)
      if (judged(a.sections[s]) && !twins_.post_of(o, s))
        out_.differences_.push_back({Change::removed, o, s, describe(pre_, o, s), "not in the post object"});
  }

  void find_redefined(const std::vector<bool> &changed_objects) {
    const auto look_at = [&](const ObjectGraph &graph) {
      for (const ObjectSymbol &symbol : graph.symbols)
        if (!symbol.local() && symbol.defined() && is_redefined(pre_.program(), post_.program(), twins_, symbol.name)) out_.redefined_.insert(symbol.name);
    };
    for (uint32_t o = 0; o < changed_objects.size(); ++o) {
      if (!changed_objects[o]) continue;
      look_at(pre_.program().object(o));
      look_at(post_.program().object(o));
    }
  }

  // What is new in its object may have been in another object before.
  void compare_moved(uint32_t o, uint32_t s) {
    const std::string name = describe(post_, o, s);
    const auto before = global_pre_place(pre_.program(), post_.program(), twins_, {Place::Kind::section, o, s, 0, 0});
    if (!before) return record(Change::added, o, s, name, twins_.ambiguous(o, s) ? "its twin is ambiguous" : "not in the pre object");
    // Existing data is the running program's, whichever object's copy the linker keeps.
    const ObjectSection &section = post_.program().object(o).sections[s];
    if (section.in_group && section.is_variable()) return;
    const std::string reason = difference(*before, o, s);
    if (!reason.empty()) record(Change::changed, o, s, name, reason);
  }

  static std::string describe(CodeCache &side, uint32_t o, uint32_t s) {
    return side.program().describe(Place{Place::Kind::section, o, s, 0, 0});
  }

  void record(Change change, uint32_t o, uint32_t s, std::string name, std::string reason) {
    out_.index_[{o, s}] = out_.differences_.size();
    out_.differences_.push_back({change, o, s, std::move(name), std::move(reason)});
  }

  // Empty when the two are the same.
  std::string difference(const Place &before, uint32_t o, uint32_t post_section) {
    const ObjectSection &a = pre_.program().section(before);
    const ObjectSection &b = post_.program().object(o).sections[post_section];
    if (a.kind != b.kind) return "it moved to another kind of section";
    // The linker orders these by their names: .init_array.00101 runs before .init_array.00102.
    if (a.kind == Kind::init && a.name != b.name) return cat("it is in ", b.name, " instead of ", a.name);
    if (a.size_bytes != b.size_bytes) return cat("size ", a.size_bytes, " -> ", b.size_bytes, " bytes");
    if (a.alignment < b.alignment) return cat("alignment ", a.alignment, " -> ", b.alignment);
    return difference_of_bytes(before, {Place::Kind::section, o, post_section, 0, 0}, a.bytes, b.bytes);
  }

  // Compares bytes and edges of two stretches of equal length, which begin at the items of their sections (0: at the start).
  std::string difference_of_bytes(const Place &before, const Place &after, ByteView a_bytes, ByteView b_bytes) {
    const auto &a_edges = pre_.program().section(before).edges;
    const auto &b_edges = post_.program().section(after).edges;
    const uint64_t pre_from = before.item;
    const uint64_t post_from = after.item;
    const auto first = [](const std::vector<Edge> &edges, uint64_t from) {
      return static_cast<size_t>(std::lower_bound(edges.begin(), edges.end(), from, [](const Edge &e, uint64_t v) { return e.offset < v; }) - edges.begin());
    };
    size_t ea = first(a_edges, pre_from);
    size_t eb = first(b_edges, post_from);
    uint64_t from = 0;
    const auto differs_before = [&](uint64_t to) -> std::optional<uint64_t> {
      for (uint64_t i = from; i < to; ++i)
        if (a_bytes[i] != b_bytes[i]) return i;
      return std::nullopt;
    };
    for (;; ++ea, ++eb) {
      const bool more_a = ea < a_edges.size() && a_edges[ea].offset < pre_from + a_bytes.size();
      const bool more_b = eb < b_edges.size() && b_edges[eb].offset < post_from + b_bytes.size();
      const uint64_t to = more_a ? a_edges[ea].offset - pre_from : a_bytes.size();
      if (const auto at = differs_before(std::min<uint64_t>(to, a_bytes.size()))) return cat("code or data differs at byte ", *at);
      if (!more_a && !more_b) return {};
      if (more_a != more_b || a_edges[ea].kind != b_edges[eb].kind || a_edges[ea].offset - pre_from != b_edges[eb].offset - post_from)
        return cat("reference differs at byte ", to);
      std::string reason = difference_of_references(pre_.reference(before.object, before.section, static_cast<uint32_t>(ea)),
                                                    post_.reference(after.object, after.section, static_cast<uint32_t>(eb)));
      if (!reason.empty()) return reason;
      from = to + edge_bytes(a_edges[ea].kind);
    }
  }

  std::string difference_of_references(const Reference &a, const Reference &b) {
    if (a.access != b.access || a.place.kind != b.place.kind) return cat("refers to ", post_.program().describe(b.place), " in another way");
    if (a.place.kind == Place::Kind::item)
      return a.offset == b.offset ? difference_of_items(a.place, b.place) : "refers to another part of a constant";
    const auto twin = Comparison::pre_place(pre_.program(), post_.program(), twins_, b.place);
    if (!twin || *twin != a.place)
      return cat("refers to ", post_.program().describe(b.place), " instead of ", pre_.program().describe(a.place));
    if (a.offset != b.offset && !same_entry(a, b)) return cat("refers to another part of ", post_.program().describe(b.place));
    return {};
  }

  // A function's section may have further entries (a virtual table leads to thunks in front of or behind it), which move when
  // it grows; each entry of a replaced function is redirected.
  bool same_entry(const Reference &a, const Reference &b) const {
    if (a.place.kind != Place::Kind::section || a.access != Access::address) return false;
    const std::string before = entry_name(pre_.program(), a);
    return !before.empty() && before == entry_name(post_.program(), b);
  }
  static std::string entry_name(const Program &program, const Reference &reference) {
    if (program.section(reference.place).kind != Kind::code) return {};
    for (const uint32_t s : program.symbols_in(reference.place.object, reference.place.section)) {
      const ObjectSymbol &symbol = program.object(reference.place.object).symbols[s];
      if (symbol.kind == ObjectSymbol::Kind::function && static_cast<int64_t>(symbol.value) == reference.offset) return without_numbers(symbol.name);
    }
    return {};
  }

  std::string difference_of_items(const Place &a, const Place &b) {
    const ByteView a_bytes = pre_.item(a);
    const ByteView b_bytes = post_.item(b);
    const ObjectSection &section = post_.program().section(b);
    const std::string what = section.kind == Kind::strings ? "string" : "constant";
    if (a_bytes.size() != b_bytes.size()) return cat("refers to another ", what);
    if (in_progress_ > kMaxDepth) return {};
    ++in_progress_;
    const bool differs = !difference_of_bytes(a, b, a_bytes, b_bytes).empty();
    --in_progress_;
    return differs ? cat("refers to another ", what) : std::string();
  }

  // A function that is the same but refers to something that can only be changed by replacing its users is changed too:
  // read-only data whose contents changed, a cold part that changed, or (from a cold part) a function that changed.
  void spread(const std::vector<bool> &changed_objects) {
    for (bool again = true; again;) {
      again = false;
      for (uint32_t o = 0; o < changed_objects.size(); ++o) {
        const ObjectGraph &graph = post_.program().object(o);
        for (uint32_t s = 1; s < graph.sections.size(); ++s) {
          if (!judged(graph.sections[s]) || out_.of(o, s) != Change::same || !may_spread_to(graph.sections[s])) continue;
          for (uint32_t e = 0; e < graph.sections[s].edges.size(); ++e) {
            if (!targets_changed(graph, graph.sections[s].edges[e])) continue;
            const std::string reason = spreading(graph.symbols[graph.sections[s].edges[e].symbol], post_.reference(o, s, e));
            if (reason.empty()) continue;
            record(Change::changed, o, s, describe(post_, o, s), reason);
            again = true;
            break;
          }
        }
      }
    }
  }
  static bool may_spread_to(const ObjectSection &section) {
    return section.kind == Kind::code || section.is_constant();
  }
  // Cheap test before the reference is worked out: undefined and local symbols of unchanged sections are the many.
  bool targets_changed(const ObjectGraph &graph, const Edge &edge) const {
    const ObjectSymbol &symbol = graph.symbols[edge.symbol];
    return !symbol.local() || (symbol.in_section() && !out_.index_.empty());
  }
  std::string spreading(const ObjectSymbol &symbol, const Reference &reference) {
    if (!symbol.local() && out_.redefined(symbol.name)) return cat("refers to ", symbol.name, ", which stands for something else now");
    return spreading(reference);
  }
  std::string spreading(const Reference &reference) {
    const auto place = post_.program().section_of(reference.place);
    if (!place || out_.of(place->object, place->section) != Change::changed) return {};
    const ObjectSection &target = post_.program().section(*place);
    const std::string name = post_.program().describe(*place);
    if (target.is_constant()) return cat("refers to ", name, ", whose contents changed");
    if (target.kind != Kind::code) return {};
    if (is_part_name(name)) return cat("its part ", name, " changed");
    if (reference.offset != 0 && reference.access == Access::address && entry_name(post_.program(), reference).empty()) return cat("it is part of ", name, ", which changed");
    return {};
  }

  static constexpr int kMaxDepth = 8;
  CodeCache &pre_;
  CodeCache &post_;
  const Twins &twins_;
  int in_progress_ = 0;
  Comparison out_;
};

Comparison Comparison::make(CodeCache &pre, CodeCache &post, const Twins &twins, const std::vector<bool> &changed_objects) {
  return Comparer(pre, post, twins).run(changed_objects);
}

void Comparison::leave(const Program &post, const std::set<std::string> &names) {
  const auto function_of = [](const std::string &name) { return is_part_name(name) ? name.substr(0, name.find(".cold")) : name; };
  const auto is_left = [&](const Difference &difference) {
    return difference.change == Change::changed && post.object(difference.object).sections[difference.section].kind == Kind::code &&
           std::any_of(names.begin(), names.end(), [&](const std::string &given) {
             return names_it(given, difference.name) || names_it(given, function_of(difference.name));
           });
  };
  std::copy_if(differences_.begin(), differences_.end(), std::back_inserter(left_), is_left);
  std::erase_if(differences_, is_left);
  index_.clear();
  for (size_t i = 0; i < differences_.size(); ++i)
    if (differences_[i].change != Change::removed) index_[{differences_[i].object, differences_[i].section}] = i;
}

Change Comparison::of(uint32_t object, uint32_t post_section) const {
  const auto it = index_.find({object, post_section});
  return it == index_.end() ? Change::same : differences_[it->second].change;
}

const std::string &Comparison::reason(uint32_t object, uint32_t post_section) const {
  static const std::string none;
  const auto it = index_.find({object, post_section});
  return it == index_.end() ? none : differences_[it->second].reason;
}

}  // namespace suture
