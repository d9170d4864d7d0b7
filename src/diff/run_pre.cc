#include "diff/run_pre.h"

#include <algorithm>
#include <deque>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/byte_writer.h"
#include "base/cat.h"

namespace suture {

namespace {

// A unique match of fewer compared bytes than this is too weak to stand alone (a function that only returns zero).
constexpr uint32_t kStrongBytes = 10;
// Ambiguous functions with more candidates than this are left to references and order.
constexpr size_t kMaxCandidates = 4096;

struct Unit {
  Place place;
  std::vector<LinkAddr> candidates;  // addresses at which the code matches
  bool decided = false;
  LinkAddr at;
  uint64_t image_bytes = 0;
  uint64_t lead_bytes = 0;           // before the first function, where its unwind entry begins (nops for tracers)
  int group = 0;                     // units of one object that the linker keeps together
  uint64_t nearest_mismatch = 0;     // best failed match, for the message
  LinkAddr nearest_at;
};

}  // namespace

class RunPre {
 public:
  RunPre(CodeCache &code, const Image &image, const std::vector<bool> &counted)
      : code_(code), pre_(code.program()), image_(image), arch_(code.arch()), counted_(counted) {
    index_image();
  }

  Solution run() {
    collect_units();
    find_candidates();
    decide_by_name();
    decide_unique();
    do {
      propagate();
    } while (decide_by_order() || decide_by_exclusion());
    settle();
    return std::move(solution_);
  }

 private:
  void index_image() {
    for (const UnwindRange &entry : image_.unwind) {
      by_size_.emplace(entry.range.size_bytes, entry.range.begin);
      starts_.push_back(entry.range.begin);
    }
    std::sort(starts_.begin(), starts_.end());
    const auto add = [&](const ImageSymbol &symbol) {
      if (symbol.defined && (symbol.kind == ImageSymbol::Kind::function || symbol.kind == ImageSymbol::Kind::none ||
                             symbol.kind == ImageSymbol::Kind::ifunc))
        (symbol.global ? global_names_ : local_names_).emplace(symbol.name, symbol.address);
    };
    for (const ImageSymbol &symbol : image_.dynamic_symbols) add(symbol);
    for (const ImageSymbol &symbol : image_.symbols) add(symbol);
    for (const DynamicReloc &reloc : image_.relocs) relocs_.emplace(reloc.at.value, &reloc);
    for (const PltEntry &entry : image_.plt) plt_stubs_.insert(entry.stub.value);
  }

  // Sections that the linker script gathers separately, each kept in input order.
  static int group_of(const std::string &name) {
    if (name.starts_with(".text.unlikely")) return 1;
    if (name.starts_with(".text.exit")) return 2;
    if (name.starts_with(".text.startup")) return 3;
    if (name.starts_with(".text.hot")) return 4;
    return name.starts_with(".text") ? 0 : 5;
  }

  void collect_units() {
    for (uint32_t o = 0; o < pre_.object_count(); ++o) {
      const ObjectGraph &graph = pre_.object(o);
      for (uint32_t s = 1; s < graph.sections.size(); ++s) {
        const ObjectSection &section = graph.sections[s];
        if (section.kind != ObjectSection::Kind::code || section.bytes.empty()) continue;
        const Place place = pre_.section_place(o, s);
        if (place.object != o || place.section != s) continue;  // a COMDAT copy that the linker drops
        Unit unit;
        unit.place = place;
        unit.group = group_of(section.name);
        if (const ObjectSymbol *first = pre_.first_function(place)) unit.lead_bytes = first->value;
        unit_of_[place] = units_.size();
        units_.push_back(std::move(unit));
      }
    }
  }

  std::shared_ptr<const Code> code_of(const Unit &unit) { return code_.code(unit.place.object, unit.place.section); }
  ByteView image_code(LinkAddr at, uint64_t pre_bytes) const { return image_.at(at, pre_bytes + pre_bytes / 2 + 64); }

  CodeMatch match_at(Unit &unit, LinkAddr at) {
    const ObjectSection &section = pre_.section(unit.place);
    CodeMatch match = match_code(arch_, section, *code_of(unit), image_code(at, section.size_bytes), at);
    if (!match.matches && match.mismatch_at > unit.nearest_mismatch) {
      unit.nearest_mismatch = match.mismatch_at;
      unit.nearest_at = LinkAddr(match.image_mismatch_at);
    }
    return match;
  }

  // Branches of this code may each be up to four bytes shorter in the image.
  uint64_t shrink_allowance(const Unit &unit) {
    uint64_t branches = 0;
    const std::shared_ptr<const Code> code = code_of(unit);
    for (const CodeInstruction &entry : code->instructions)
      if (entry.insn.rel_bytes == 4 && !entry.insn.rel_is_memory) ++branches;
    return 4 * branches + 16;
  }

  // Size of the unwind entry of a section's first function: it may have several, where they are hand-written or a library's.
  uint64_t entry_bytes(const Unit &unit) const {
    const ObjectSymbol *first = pre_.first_function(unit.place);
    return first != nullptr && first->size_bytes != 0 ? first->size_bytes : pre_.section(unit.place).size_bytes - unit.lead_bytes;
  }

  void find_candidates() {
    for (Unit &unit : units_) {
      const ObjectSection &section = pre_.section(unit.place);
      const uint64_t size = entry_bytes(unit);
      const auto from = by_size_.lower_bound(size - std::min(shrink_allowance(unit), size));
      const auto to = by_size_.upper_bound(size + 32);
      for (auto it = from; it != to; ++it) {
        const LinkAddr at(it->second.value - unit.lead_bytes);
        if (!may_match(arch_, section, image_code(at, section.size_bytes))) continue;
        if (match_at(unit, at).matches) unit.candidates.push_back(at);
        if (unit.candidates.size() > kMaxCandidates) break;
      }
      std::sort(unit.candidates.begin(), unit.candidates.end());
    }
  }

  // A symbol of the image names the address; the code must still match there.
  void decide_by_name() {
    if (global_names_.empty() && local_names_.empty()) return;
    for (size_t u = 0; u < units_.size(); ++u) {
      std::set<LinkAddr> named;
      for (const uint32_t s : pre_.symbols_in(units_[u].place.object, units_[u].place.section)) {
        const ObjectSymbol &symbol = pre_.object(units_[u].place.object).symbols[s];
        if (symbol.value != units_[u].lead_bytes || symbol.name.empty()) continue;
        const auto range = (symbol.local() ? local_names_ : global_names_).equal_range(symbol.name);
        for (auto it = range.first; it != range.second; ++it) named.insert(LinkAddr(it->second.value - symbol.value));
      }
      std::vector<LinkAddr> good;
      for (const LinkAddr at : named)
        if (match_at(units_[u], at).matches) good.push_back(at);
      if (good.size() == 1) decide(u, good.front(), "by name");
      else if (good.size() > 1) units_[u].candidates = good;
    }
  }

  void decide_unique() {
    for (size_t u = 0; u < units_.size(); ++u) {
      if (units_[u].decided || units_[u].candidates.size() != 1) continue;
      const LinkAddr at = units_[u].candidates.front();
      if (taken_.contains(at.value)) continue;
      if (match_at(units_[u], at).compared_bytes >= kStrongBytes) unique_.push_back({u, at});
    }
    // An address that two different functions match uniquely belongs to neither on that evidence alone.
    std::unordered_map<uint64_t, unsigned> claims;
    for (const auto &[u, at] : unique_) ++claims[at.value];
    for (const auto &[u, at] : unique_)
      if (claims[at.value] == 1) decide(u, at, "only match");
    unique_.clear();
  }

  bool decide(size_t u, LinkAddr at, std::string how) {
    Unit &unit = units_[u];
    CodeMatch match = match_at(unit, at);
    if (!match.matches) return false;
    unit.decided = true;
    unit.at = at;
    unit.image_bytes = match.image_bytes;
    taken_.emplace(at.value, u);
    const std::string who = pre_.describe(unit.place);
    note(unit.place, Access::address, at.value, cat("the code of ", who));
    queue_.push_back(u);
    solution_.code_[unit.place] = LocatedCode{at, std::move(match), std::move(how)};
    return true;
  }

  void note(const Place &place, Access access, uint64_t value, const std::string &source) {
    SolvedValue &solved = solution_.values_[{place, access}];
    if (solved.witnesses == 0) {
      solved.value = value;
      solved.source = source;
      if (access == Access::address) fresh_.push_back(place);
    } else if (solved.value != value && !solved.conflict) {
      solved.conflict = true;
      solved.dissent = value;
      solved.dissenter = source;
    }
    ++solved.witnesses;
  }

  void propagate() {
    while (!queue_.empty() || !fresh_.empty()) {
      while (!queue_.empty()) {
        const size_t u = queue_.front();
        queue_.pop_front();
        learn_from_code(u);
      }
      while (!fresh_.empty()) {
        const Place place = fresh_.front();
        fresh_.pop_front();
        learn_from_place(place);
      }
    }
  }

  void learn_from_code(size_t u) {
    const Unit &unit = units_[u];
    const ObjectSection &section = pre_.section(unit.place);
    const std::string who = pre_.describe(unit.place);
    const std::vector<SolvedEdge> edges = solution_.code_[unit.place].match.edges;
    for (const SolvedEdge &solved : edges) {
      const Edge &edge = section.edges[solved.edge];
      learn_edge(unit.place.object, edge, code_.edge_tail(unit.place.object, unit.place.section, solved.edge), solved.value, solved.as, who);
    }
  }

  void learn_edge(uint32_t object, const Edge &edge, uint32_t tail, uint64_t symbol_value, SolvedEdge::As as, const std::string &who) {
    Reference reference = pre_.reference(object, edge, tail);
    if (reference.access == Access::unsupported) return;
    const uint64_t target = symbol_value + static_cast<uint64_t>(edge.addend) + (is_pc_relative(edge.kind) ? tail : 0);
    uint64_t value = target - static_cast<uint64_t>(reference.offset);
    // In an image that may be loaded anywhere, an absolute address is that of a weak symbol which nobody defines: no place of the image.
    if (as == SolvedEdge::As::absolute && !image_.fixed) return;
    const bool direct = as == SolvedEdge::As::direct || as == SolvedEdge::As::absolute;
    if (direct) reference.access = Access::address;
    if (as == SolvedEdge::As::tls_slot) reference.access = Access::tls_ie;
    // A program's own block begins at a fixed distance from the thread pointer, and linkers count from there.
    if (as == SolvedEdge::As::tls_offset || (reference.access == Access::tls_dtp && image_.has_first_tls_block())) reference.access = Access::tls_tp;
    const bool stub = plt_stubs_.contains(value);
    if (reference.place.kind == Place::Kind::named && (reference.access == Access::plt || direct) && !stub) {
      // Bound directly: this is the definition's own address.
      if (const auto definition = reference.place.name == Program::kModuleTls ? std::nullopt : pre_.definition(pre_.name(reference.place.name))) {
        const ObjectSymbol &symbol = pre_.object(definition->object).symbols[definition->symbol];
        if (symbol.in_section() && symbol.kind != ObjectSymbol::Kind::ifunc)
          note(pre_.section_place(definition->object, symbol.section), Access::address, value - symbol.value, who);
      }
    }
    // A reference into the middle of code (a cold part jumping back) is no witness of where the code begins: distances
    // inside a function may differ in the image.
    if (reference.place.kind == Place::Kind::section && reference.offset != 0 &&
        pre_.section(reference.place).kind == ObjectSection::Kind::code)
      return;
    note(reference.place, reference.access, value, who);
    learn_from_slot(reference, value, who);
  }

  // A slot for thread-local access tells the variable's offset in the module's block.
  void learn_from_slot(const Reference &reference, uint64_t slot, const std::string &who) {
    if (image_.has_first_tls_block() || reference.place.kind == Place::Kind::named || (reference.access != Access::tls_gd && reference.access != Access::tls_ie)) return;
    const LinkAddr at(slot + (reference.access == Access::tls_gd ? 8 : 0));
    const auto it = relocs_.find(at.value);
    if (it == relocs_.end()) {
      const ByteView word = image_.at(at, 8);
      if (reference.access == Access::tls_gd && word.size() == 8) note(reference.place, Access::tls_dtp, load<uint64_t>(word, 0), who);
    } else if (it->second->kind == DynamicReloc::Kind::tls_static && it->second->symbol == 0) {
      note(reference.place, Access::tls_dtp, static_cast<uint64_t>(it->second->addend), who);
    }
  }

  // An address became known: code must match there; relocated data tells what it points to.
  void learn_from_place(const Place &place) {
    if (place.kind == Place::Kind::named) return;
    const ObjectSection &section = pre_.section(place);
    SolvedValue solved = solution_.values_[{place, Access::address}];
    if (place.kind == Place::Kind::item) {
      // Items of a section with relocations stay where they are in it: linkers do not merge such.
      if (section.edges.empty()) return;
      solved.value -= place.item;
    }
    if (section.kind == ObjectSection::Kind::code) {
      const auto it = unit_of_.find(place);
      if (it == unit_of_.end() || units_[it->second].decided) return;
      (void)decide(it->second, LinkAddr(solved.value), cat("referenced from ", solved.source));
      return;
    }
    if (section.edges.empty()) return;
    const std::string who = pre_.describe(place);
    for (const Edge &edge : section.edges) {
      if (edge.kind != EdgeKind::abs64) continue;
      if (const auto pointed = pointer_at(LinkAddr(solved.value + edge.offset)))
        learn_edge(place.object, edge, 0, *pointed - static_cast<uint64_t>(edge.addend), SolvedEdge::As::written, who);
    }
  }

  // The link address that a relocated word of the image's data points to.
  std::optional<uint64_t> pointer_at(LinkAddr at) const {
    const auto it = relocs_.find(at.value);
    if (it == relocs_.end()) {
      if (!image_.fixed) return std::nullopt;
      const ByteView word = image_.at(at, 8);
      if (word.size() != 8) return std::nullopt;
      uint64_t value = 0;
      std::copy(word.begin(), word.end(), reinterpret_cast<uint8_t *>(&value));
      return value;
    }
    const DynamicReloc &reloc = *it->second;
    if (reloc.kind == DynamicReloc::Kind::relative) return static_cast<uint64_t>(reloc.addend);
    const ImageSymbol &symbol = image_.dynamic_symbols[reloc.symbol];
    if (reloc.kind == DynamicReloc::Kind::symbol && reloc.symbol != 0 && symbol.defined)
      return symbol.address.value + static_cast<uint64_t>(reloc.addend);
    return std::nullopt;
  }

  // The linker keeps one object's functions in order and side by side. A candidate that directly follows the located
  // function before it, or directly precedes the one behind it, is the one.
  bool decide_by_order() {
    bool any = false;
    const Unit *last[6] = {};
    uint32_t object = UINT32_MAX;
    for (size_t u = 0; u < units_.size(); ++u) {
      if (units_[u].place.object != object) std::fill(std::begin(last), std::end(last), nullptr);
      object = units_[u].place.object;
      const Unit *before = last[units_[u].group];
      if (!units_[u].decided && before != nullptr && before->decided)
        any |= decide_at_neighbour(u, next_start(before->at + before->image_bytes), pre_.describe(before->place), "after ");
      last[units_[u].group] = &units_[u];
    }
    std::fill(std::begin(last), std::end(last), nullptr);
    for (size_t u = units_.size(); u-- > 0;) {
      if (units_[u].place.object != object) std::fill(std::begin(last), std::end(last), nullptr);
      object = units_[u].place.object;
      const Unit *after = last[units_[u].group];
      if (!units_[u].decided && after != nullptr && after->decided)
        any |= decide_at_neighbour(u, previous_start(after->at), pre_.describe(after->place), "before ");
      last[units_[u].group] = &units_[u];
    }
    return any;
  }

  bool decide_at_neighbour(size_t u, std::optional<LinkAddr> start, const std::string &neighbour, const char *side) {
    if (!start) return false;
    const LinkAddr at(start->value - units_[u].lead_bytes);
    if (taken_.contains(at.value)) return false;
    const auto &candidates = units_[u].candidates;
    if (!std::binary_search(candidates.begin(), candidates.end(), at)) return false;
    return decide(u, at, cat("directly ", side, neighbour));
  }

  // Start of the next function at or behind an address, if only padding lies between.
  std::optional<LinkAddr> next_start(LinkAddr end) const {
    const auto it = std::lower_bound(starts_.begin(), starts_.end(), end);
    if (it == starts_.end() || *it - end >= 2 * arch_.function_alignment) return std::nullopt;
    return *it;
  }
  std::optional<LinkAddr> previous_start(LinkAddr at) const {
    const auto it = std::lower_bound(starts_.begin(), starts_.end(), at);
    if (it == starts_.begin()) return std::nullopt;
    return *std::prev(it);
  }

  // All other candidates turned out to be other functions, and nobody else could be at the one that is left.
  bool decide_by_exclusion() {
    std::unordered_map<uint64_t, unsigned> claims;
    for (const Unit &unit : units_)
      if (!unit.decided)
        for (const LinkAddr at : unit.candidates) ++claims[at.value];
    bool any = false;
    for (size_t u = 0; u < units_.size(); ++u) {
      if (units_[u].decided || units_[u].candidates.size() < 2) continue;
      std::vector<LinkAddr> free;
      for (const LinkAddr at : units_[u].candidates)
        if (!taken_.contains(at.value)) free.push_back(at);
      if (free.size() != 1 || claims[free.front().value] != 1) continue;
      if (match_at(units_[u], free.front()).compared_bytes >= kStrongBytes) any |= decide(u, free.front(), "the only match left");
    }
    return any;
  }

  // Why the only place that matches was not believed.
  std::string why_not_alone(const Unit &unit) const {
    if (const auto owner = taken_.find(unit.candidates.front().value); owner != taken_.end())
      return cat("it is ", pre_.describe(units_[owner->second].place), "'s");
    for (const Unit &other : units_)
      if (&other != &unit && !other.decided && std::find(other.candidates.begin(), other.candidates.end(), unit.candidates.front()) != other.candidates.end())
        return cat("it matches ", pre_.describe(other.place), " as well");
    return "too little of it is code that could not be another's";
  }

  void settle() {
    MatchTotals &totals = solution_.totals_;
    for (Unit &unit : units_) {
      const uint64_t size = pre_.section(unit.place).size_bytes;
      const uint64_t one = counted_[unit.place.object] ? 1 : 0;
      totals.functions += one;
      totals.code_bytes += one * size;
      if (unit.decided) {
        totals.located += one;
        totals.located_bytes += one * size;
        continue;
      }
      if (unit.candidates.empty()) {
        totals.absent += one;
        solution_.why_not_[unit.place] =
            unit.nearest_mismatch > 0 ? cat("no code of the image matches; the nearest differs at byte ", unit.nearest_mismatch,
                                            " (address ", hex(unit.nearest_at.value), ")")
                                      : std::string("no code of the image matches");
        continue;
      }
      totals.ambiguous += one;
      std::string where;
      for (size_t i = 0; i < std::min<size_t>(unit.candidates.size(), 4); ++i) where += cat(i ? ", " : "", hex(unit.candidates[i].value));
      solution_.why_not_[unit.place] =
          unit.candidates.size() == 1
              ? cat("one place in the image matches (", where, "), but ", why_not_alone(unit))
              : cat(unit.candidates.size(), " places in the image match (", where, unit.candidates.size() > 4 ? ", ..." : "", ") and nothing decides between them");
    }
  }

  CodeCache &code_;
  const Program &pre_;
  const Image &image_;
  const Arch &arch_;
  const std::vector<bool> &counted_;
  std::multimap<uint64_t, LinkAddr> by_size_;
  std::vector<LinkAddr> starts_;
  std::unordered_multimap<std::string, LinkAddr> global_names_;
  std::unordered_multimap<std::string, LinkAddr> local_names_;
  std::unordered_map<uint64_t, const DynamicReloc *> relocs_;
  std::unordered_set<uint64_t> plt_stubs_;
  std::vector<Unit> units_;
  std::map<Place, size_t> unit_of_;
  std::unordered_map<uint64_t, size_t> taken_;
  std::vector<std::pair<size_t, LinkAddr>> unique_;
  std::deque<size_t> queue_;
  std::deque<Place> fresh_;
  Solution solution_;
};

const LocatedCode *Solution::code(const Place &place) const {
  const auto it = code_.find(place);
  return it == code_.end() ? nullptr : &it->second;
}

std::vector<Place> Solution::located_at(LinkAddr at) const {
  std::vector<Place> places;
  for (const auto &[place, located] : code_)
    if (located.at == at) places.push_back(place);
  return places;
}

const SolvedValue *Solution::value(const Place &place, Access access) const {
  const auto it = values_.find({place, access});
  return it == values_.end() ? nullptr : &it->second;
}

std::vector<Place> Solution::led_into(LinkRange range) const {
  std::vector<Place> places;
  for (const auto &[key, value] : values_)
    if (range.contains(LinkAddr(value.value)) || (value.conflict && range.contains(LinkAddr(value.dissent)))) places.push_back(key.first);
  return places;
}

std::vector<std::pair<Place, LinkAddr>> Solution::items() const {
  std::vector<std::pair<Place, LinkAddr>> items;
  for (const auto &[key, value] : values_)
    if (key.first.kind == Place::Kind::item && key.second == Access::address && !value.conflict) items.emplace_back(key.first, LinkAddr(value.value));
  return items;
}

std::string Solution::why_not(const Place &place) const {
  const auto it = why_not_.find(place);
  return it == why_not_.end() ? "it is not code of the objects that make up this image" : it->second;
}

Solution locate_in_image(CodeCache &pre, const Image &image, const std::vector<bool> &counted) {
  return RunPre(pre, image, counted).run();
}

}  // namespace suture
