#include "diff/data_hazards.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/byte_writer.h"
#include "base/cat.h"
#include "diff/names.h"
#include "diff/variable_hazards.h"

namespace suture {

namespace {

using Kind = ObjectSection::Kind;

constexpr size_t kMostTold = 4;

bool is_vtable(std::string_view name) {
  return name.starts_with("_ZTV");
}

// The function that a coroutine's body became: gcc's f.actor, clang's f.resume.
bool is_coroutine(std::string_view name) {
  return name.find(".actor") != std::string_view::npos || name.find(".resume") != std::string_view::npos;
}

// What initialises a file's thread-local variables at the first use of one in each thread, under either of its names.
bool is_thread_start(std::string_view name) {
  return name == "__tls_init" || name.starts_with("_ZTH");
}

std::string byte_text(ByteView bytes) {
  const bool word = bytes.size() == 1 || bytes.size() == 2 || bytes.size() == 4 || bytes.size() == 8;
  if (word) {
    uint64_t value = 0;
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t *>(&value));
    const unsigned unused = 64 - 8 * static_cast<unsigned>(bytes.size());
    const int64_t as_signed = static_cast<int64_t>(value << unused) >> unused;
    return as_signed < 0 && as_signed > -65536 ? cat(as_signed) : value < 65536 ? cat(value) : hex(value);
  }
  std::string text;
  for (const uint8_t byte : bytes) text += fmt::format("{}{:02x}", text.empty() ? "" : " ", byte);
  return text;
}

class DataHazards {
 public:
  DataHazards(const DiffInput &input, std::vector<std::string> &notes)
      : in_(input), pre_(input.pre->program()), post_(input.post->program()), notes_(notes) {}

  std::vector<Hazard> run() {
    for (const Difference &difference : in_.comparison->differences()) {
      if (difference.change == Change::removed)
        consider_removed(difference);
      else
        consider(difference);
    }
    for (const std::string &name : in_.comparison->redefined()) consider_redefined(name);
    for (Hazard &hazard : find_variable_hazards(in_)) out_.push_back(std::move(hazard));
    find_start_up();
    find_pointers_to_constants();
    return std::move(out_);
  }

 private:
  void add(std::string kind, const std::string &item, std::string detail) {
    out_.push_back({std::move(kind), item, std::move(detail), {}});
  }

  void consider(const Difference &difference) {
    const bool added = difference.change == Change::added;
    const std::string &name = difference.name;
    switch (post_.object(difference.object).sections[difference.section].kind) {
      case Kind::code:
        if (!added && is_coroutine(name))
          add("coroutine", name,
              cat("suspended coroutines go on in the new code at a point and with a frame that the old code chose (",
                  difference.reason, ")"));
        if (!added && is_thread_start(name))
          add("constructor", name,
              cat("it runs once in each thread, to initialise the thread-local variables of its file, and threads that "
                  "ran it already do not run it again (",
                  difference.reason, ")"));
        return;
      case Kind::data:
      case Kind::bss:
        return consider_variable(difference);
      case Kind::tls_data:
      case Kind::tls_bss:
        if (!added) return add("tls", name, cat("thread-local data changed: ", difference.reason));
        out_.push_back({"tls", name, "new thread-local data; threads that run already have no room for it", kKeptPerThread});
        return;
      case Kind::init:
        return add("constructor", name,
                   cat("the list of what runs at start-up changed (", difference.reason,
                       "), and start-up is over in live processes"));
      case Kind::relro:
      case Kind::rodata:
        if (added) return;
        if (is_vtable(name))
          add("vtable", name, cat("live objects point to the old table (", difference.reason, ")"));
        else if (in_.image->exports(name))
          add("data", name,
              "its contents changed, and other modules go on reading the old ones (the image exports it)");
        return;
      default:
        return;
    }
  }

  void consider_variable(const Difference &difference) {
    if (difference.change == Change::added || is_personality_pointer(difference.name)) return;
    if (difference.reason.starts_with("size"))
      return add("layout", difference.name,
                 cat("existing variable changes its ", difference.reason,
                     ", and the running program has room for the old one", users_text(difference)));
    add("data", difference.name, cat("initial value of existing data changed: ", values_text(difference)));
  }

  Place place_of(const Difference &difference) const {
    return {Place::Kind::section, difference.object, difference.section, 0, 0};
  }
  std::optional<Place> before(const Place &place) const {
    return Comparison::pre_place(pre_, post_, *in_.twins, place);
  }

  // "1000 -> 2000", "bytes 8..11: 5 -> 6", or the reason where a reference changed.
  std::string values_text(const Difference &difference) const {
    const auto old_place = before(place_of(difference));
    if (!old_place || old_place->kind != Place::Kind::section) return difference.reason;
    const Bytes &old_bytes = pre_.section(*old_place).bytes;
    const Bytes &new_bytes = post_.section(place_of(difference)).bytes;
    if (old_bytes.size() != new_bytes.size() || old_bytes == new_bytes) return difference.reason;
    if (old_bytes.size() <= 8) return cat(byte_text(old_bytes), " -> ", byte_text(new_bytes));
    std::string text;
    size_t told = 0;
    for (size_t at = 0; at < old_bytes.size(); at += 4) {
      const size_t size = std::min<size_t>(4, old_bytes.size() - at);
      const ByteView a = ByteView(old_bytes).subspan(at, size);
      const ByteView b = ByteView(new_bytes).subspan(at, size);
      if (std::equal(a.begin(), a.end(), b.begin())) continue;
      if (told++ == kMostTold) return cat(text, ", and more");
      text += cat(told == 1 ? "" : ", ", "at ", at, ": ", byte_text(a), " -> ", byte_text(b));
    }
    return text;
  }

  // Functions that use a variable and are not replaced.
  std::string users_text(const Difference &difference) const {
    std::vector<std::string> names = referrers(place_of(difference), Kind::code);
    if (names.empty()) return {};
    return cat("; used outside of the patch by ", some(names));
  }

  static std::string some(const std::vector<std::string> &names) {
    std::string text;
    for (size_t i = 0; i < std::min(names.size(), kMostTold); ++i) text += cat(i == 0 ? "" : ", ", names[i]);
    if (names.size() > kMostTold) text += cat(" and ", names.size() - kMostTold, " more");
    return text;
  }

  // What is the same in both and refers to a place.
  std::vector<std::string> referrers(const Place &place, Kind kind) const {
    std::vector<std::string> names;
    for (uint32_t o = 0; o < post_.object_count(); ++o) {
      const ObjectGraph &graph = post_.object(o);
      for (uint32_t s = 1; s < graph.sections.size(); ++s) {
        if (graph.sections[s].kind != kind || in_.comparison->of(o, s) != Change::same) continue;
        for (uint32_t e = 0; e < graph.sections[s].edges.size(); ++e)
          if (post_.section_of(in_.post->reference(o, s, e).place) == place) {
            names.push_back(post_.describe({Place::Kind::section, o, s, 0, 0}));
            break;
          }
      }
    }
    return names;
  }

  // The old code stays where it is. That is what the fix does away with, where something still leads to it.
  void consider_removed(const Difference &difference) {
    const ObjectSection &section = pre_.object(difference.object).sections[difference.section];
    const std::string &name = difference.name;
    if (section.kind != Kind::code || is_part_name(name) || without_numbers(name) != name) return;
    // Functions that every object may have a copy of go where no code of this one needs them any more.
    if (section.in_group || post_.definition(name) || is_cloned(difference.object, name)) return;
    std::string text;
    const auto tell = [&](const std::string &reason) { text += cat(text.empty() ? "" : "; ", reason); };
    if (in_.image->exports(name)) tell("other modules may call it (the image exports it)");
    const Leads leads = leads_to_removed(pre_.section_place(difference.object, difference.section), name);
    if (!leads.pointers.empty()) tell(cat("the program may hold its address, which is in ", some(leads.pointers)));
    if (!leads.callers.empty()) tell(cat("it is called by ", some(leads.callers), ", which is not replaced"));
    if (!text.empty()) add("removed", name, cat("it is gone from the source, and its old code stays: ", text));
  }

  // Code that refers to it is replaced. Other modules, and pointers that the program holds, go on leading to what it was.
  void consider_redefined(const std::string &name) {
    const auto old = pre_.definition(name);
    if (!old) return;
    const ObjectSymbol &symbol = pre_.object(old->object).symbols[old->symbol];
    const bool variable = !symbol.in_section() || pre_.object(old->object).sections[symbol.section].is_variable();
    std::string text;
    const auto tell = [&](const std::string &reason) { text += cat(text.empty() ? "" : "; ", reason); };
    if (variable) tell("its value in the running program is not taken along");
    if (in_.image->exports(name)) tell("other modules go on using the old one (the image exports it)");
    const std::vector<std::string> holders = takers_of(name);
    if (!holders.empty()) tell(cat("the program may hold its address, which is taken by ", some(holders)));
    if (!text.empty()) add("redefined", name, cat("the name stands for something else now: ", text));
  }

  // What of the pre program refers to a global name other than by calls.
  std::vector<std::string> takers_of(const std::string &name) const {
    std::vector<std::string> takers;
    for (uint32_t o = 0; o < pre_.object_count(); ++o)
      for (uint32_t s = 1; s < pre_.object(o).sections.size(); ++s) {
        const ObjectSection &section = pre_.object(o).sections[s];
        if (!section.loaded() || section.kind == Kind::unwind) continue;
        for (uint32_t e = 0; e < section.edges.size(); ++e) {
          const ObjectSymbol &symbol = pre_.object(o).symbols[section.edges[e].symbol];
          // A constant that is read is no pointer that is kept; a variable was told of already.
          if (symbol.local() || symbol.name != name || (section.kind == Kind::code && (in_.pre->is_call(o, s, e) || !is_function(name)))) continue;
          takers.push_back(pre_.describe(pre_.section_place(o, s)));
          break;
        }
      }
    return takers;
  }
  bool is_function(const std::string &name) const {
    const auto definition = pre_.definition(name);
    const ObjectSymbol &symbol = pre_.object(definition->object).symbols[definition->symbol];
    return symbol.in_section() && pre_.object(definition->object).sections[symbol.section].kind == Kind::code;
  }

  // The compiler may have made it foo.constprop.0 or foo.isra.0.
  bool is_cloned(uint32_t object, const std::string &name) const {
    const std::vector<ObjectSymbol> &symbols = post_.object(object).symbols;
    return std::any_of(symbols.begin(), symbols.end(), [&](const ObjectSymbol &symbol) {
      return symbol.kind == ObjectSymbol::Kind::function && symbol.in_section() &&
             symbol.name.starts_with(name + ".") && !is_part_name(symbol.name);
    });
  }

  struct Leads {
    std::vector<std::string> pointers;
    std::vector<std::string> callers;
  };

  Leads leads_to_removed(const Place &function, const std::string &name) const {
    Leads leads;
    for (uint32_t o = 0; o < pre_.object_count(); ++o)
      for (uint32_t s = 1; s < pre_.object(o).sections.size(); ++s) {
        const ObjectSection &section = pre_.object(o).sections[s];
        const bool code = section.kind == Kind::code;
        const bool data = section.kind == Kind::data || section.is_constant();
        const Place from = pre_.section_place(o, s);
        if ((!code && !data) || from == function) continue;
        for (uint32_t e = 0; e < section.edges.size(); ++e) {
          const Reference reference = in_.pre->reference(o, s, e);
          const bool named = reference.place.kind == Place::Kind::named &&
                             reference.place.name != Program::kModuleTls && pre_.name(reference.place.name) == name;
          if (!named && (reference.place != function || reference.offset != 0)) continue;
          if (!code || !in_.pre->is_call(o, s, e))
            leads.pointers.push_back(pre_.describe(from));
          else if (stays_as_it_is(o, s))
            leads.callers.push_back(pre_.describe(from));
          else
            continue;
          break;
        }
      }
    return leads;
  }

  bool stays_as_it_is(uint32_t o, uint32_t s) const {
    const auto twin = in_.twins->post_of(o, s);
    return twin && in_.comparison->of(o, *twin) == Change::same;
  }

  // A start-up table may stay as it is while a function that it names changes, or one that only such a function calls.
  void find_start_up() {
    std::set<Place> start_up;
    for (uint32_t o = 0; o < post_.object_count(); ++o)
      for (uint32_t s = 1; s < post_.object(o).sections.size(); ++s) {
        const ObjectSection &section = post_.object(o).sections[s];
        // What runs at the end is entered by the old entries, which lead to the new code.
        if (section.kind == Kind::init && !section.name.starts_with(".fini") && !section.name.starts_with(".dtors"))
          add_targets(o, s, start_up);
      }
    const std::map<Place, std::set<Place>> referrers = referrers_of_changed();
    for (bool again = !start_up.empty(); again;) {
      again = false;
      for (const auto &[place, from] : referrers)
        if (!start_up.contains(place) && std::includes(start_up.begin(), start_up.end(), from.begin(), from.end()))
          again = start_up.insert(place).second;
    }
    for (const Place &place : changed_functions())
      if (start_up.contains(place)) consider_start_up(place);
  }

  std::vector<Place> changed_functions() const {
    std::vector<Place> places;
    for (const Difference &difference : in_.comparison->differences())
      if (difference.change == Change::changed && post_.section(place_of(difference)).kind == Kind::code)
        places.push_back(place_of(difference));
    return places;
  }

  void add_targets(uint32_t o, uint32_t s, std::set<Place> &out) const {
    for (uint32_t e = 0; e < post_.object(o).sections[s].edges.size(); ++e)
      if (const auto target = post_.section_of(in_.post->reference(o, s, e).place);
          target && post_.section(*target).kind == Kind::code)
        out.insert(*target);
  }

  // Of each changed function that something in the image leads to, and that other modules cannot call: what does.
  std::map<Place, std::set<Place>> referrers_of_changed() const {
    std::map<Place, std::set<Place>> referrers;
    const std::vector<Place> changed = changed_functions();
    const std::set<Place> wanted(changed.begin(), changed.end());
    for (uint32_t o = 0; o < post_.object_count(); ++o)
      for (uint32_t s = 1; s < post_.object(o).sections.size(); ++s) {
        const ObjectSection &section = post_.object(o).sections[s];
        if (!section.loaded() || section.kind == Kind::unwind) continue;
        std::set<Place> targets;
        add_targets(o, s, targets);
        const Place from = post_.section_place(o, s);
        for (const Place &target : targets)
          if (target != from && wanted.contains(target)) referrers[target].insert(from);
      }
    std::erase_if(referrers, [&](const auto &entry) { return in_.image->exports(post_.describe(entry.first)); });
    return referrers;
  }

  void consider_start_up(const Place &place) {
    const std::string name = post_.describe(place);
    const auto old_place = before(place);
    const auto old_effects =
        old_place && old_place->kind == Place::Kind::section ? effects(*in_.pre, *old_place, false) : std::nullopt;
    if (old_effects && old_effects == effects(*in_.post, place, true)) {
      notes_.push_back(
          cat(name, " runs at start-up and was compiled to other code, but does the same with the same data"));
      return;
    }
    add("constructor", name,
        cat("it runs at start-up, which is over in live processes: the change would have no effect there (",
            in_.comparison->reason(place.object, place.section), ")"));
  }

  // A function's instructions with what they refer to, apart from where the code lies and how far its branches reach.
  // Nothing when it cannot be told.
  std::optional<std::vector<std::string>> effects(CodeCache &side, const Place &place, bool is_post) const {
    const std::shared_ptr<const Code> decoded = side.code(place.object, place.section);
    const Code &code = *decoded;
    if (!code.complete) return std::nullopt;
    std::vector<std::string> out;
    for (const CodeInstruction &entry : code.instructions) {
      if (entry.insn.padding) continue;
      const ByteView whole = ByteView(side.program().section(place).bytes).subspan(entry.at, entry.insn.size_bytes);
      Bytes bytes(whole.begin(), whole.end());
      std::string text;
      for (uint32_t e = entry.first_edge; e < entry.first_edge + entry.edge_count; ++e) {
        const Edge &edge = side.program().section(place).edges[e];
        std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(edge.offset - entry.at), edge_bytes(edge.kind), uint8_t{0});
        text += effect_of(side, place, e, is_post);
      }
      const bool branch = entry.insn.rel_bytes != 0 && !entry.insn.rel_is_memory;
      out.push_back(branch ? cat(entry.insn.mnemonic, text) : cat(byte_text(bytes), text));
    }
    return out;
  }

  std::string effect_of(CodeCache &side, const Place &place, uint32_t edge, bool is_post) const {
    const Reference reference = side.reference(place.object, place.section, edge);
    if (reference.place.kind == Place::Kind::item)
      return cat(" ", byte_text(side.item(reference.place)), "+", reference.offset);
    if (!is_post) return cat(" ", pre_.describe(reference.place), "+", reference.offset);
    const auto target = before(reference.place);
    if (!target) return cat(" new ", post_.describe(reference.place));
    const bool changed = reference.place.kind == Place::Kind::section &&
                         in_.comparison->of(reference.place.object, reference.place.section) == Change::changed;
    return cat(changed ? " changed " : " ", pre_.describe(*target), "+", reference.offset);
  }

  // Writable data that holds pointers to constants whose contents changed cannot be led to the new ones.
  void find_pointers_to_constants() {
    for (const Difference &difference : in_.comparison->differences()) {
      if (difference.change != Change::changed) continue;
      const Kind kind = post_.object(difference.object).sections[difference.section].kind;
      if (kind != Kind::rodata && kind != Kind::relro) continue;
      const std::vector<std::string> holders =
          referrers(post_.section_place(difference.object, difference.section), Kind::data);
      if (!holders.empty())
        add("data", difference.name, cat("its contents changed, and variables point to it: ", some(holders)));
      else if (!difference.name.starts_with("_ZT"))  // of classes: told by what else changes
        consider_table(difference);
    }
  }

  // A table whose address code of the old program has put somewhere: objects made before go on with its old contents. That a function
  // gets the address says so only of tables of functions (methods of what is made with them).
  void consider_table(const Difference &difference) {
    const auto old = before(post_.section_place(difference.object, difference.section));
    if (!old || old->kind != Place::Kind::section || !is_named_data(*old)) return;  // a jump table has no name
    const std::vector<Edge> &edges = pre_.section(*old).edges;
    const bool of_functions = std::any_of(edges.begin(), edges.end(), [&](const Edge &edge) {
      const Reference to = pre_.reference(old->object, edge, 0);
      if (to.offset != 0) return false;  // a label: a computed goto
      if (to.place.kind == Place::Kind::section) return pre_.section(to.place).kind == Kind::code;
      return to.place.kind == Place::Kind::named && !pre_.definition(pre_.name(to.place.name));
    });
    std::vector<std::string> keepers;
    for (uint32_t o = 0; o < pre_.object_count(); ++o)
      for (uint32_t s = 1; s < pre_.object(o).sections.size(); ++s)
        if (pre_.object(o).sections[s].kind == Kind::code && lets_out(o, s, *old, of_functions)) keepers.push_back(pre_.describe({Place::Kind::section, o, s, 0, 0}));
    if (!keepers.empty())
      add("data", difference.name, cat("its contents changed, and what holds its address goes on with the old ones: ", some(keepers), of_functions ? " hands it on" : " keeps it"));
  }

  bool is_named_data(const Place &place) const {
    const std::vector<uint32_t> &symbols = pre_.symbols_in(place.object, place.section);
    return std::any_of(symbols.begin(), symbols.end(), [&](uint32_t s) { return pre_.object(place.object).symbols[s].kind == ObjectSymbol::Kind::data; });
  }

  bool lets_out(uint32_t o, uint32_t s, const Place &table, bool of_functions) const {
    const ObjectSection &section = pre_.object(o).sections[s];
    for (uint32_t e = 0; e < section.edges.size(); ++e) {
      const ObjectSymbol &symbol = pre_.object(o).symbols[section.edges[e].symbol];
      if (symbol.local() && (o != table.object || symbol.section != table.section)) continue;
      const Reference reference = in_.pre->reference(o, s, e);
      if (pre_.section_of(reference.place) != table) continue;
      const std::shared_ptr<const Code> code = in_.pre->code(o, s);
      const CodeInstruction *entry = code->instruction_with(section.edges[e].offset);
      if (entry == nullptr) continue;
      const AddressUse use = in_.pre->arch().address_use(ByteView(section.bytes).subspan(entry->at), reference.access == Access::got);
      if (use == AddressUse::kept || (use == AddressUse::passed && of_functions)) return true;
    }
    return false;
  }

  const DiffInput &in_;
  const Program &pre_;
  const Program &post_;
  std::vector<std::string> &notes_;
  std::vector<Hazard> out_;
};

}  // namespace

std::vector<Hazard> find_data_hazards(const DiffInput &input, std::vector<std::string> &notes) {
  return DataHazards(input, notes).run();
}

}  // namespace suture
