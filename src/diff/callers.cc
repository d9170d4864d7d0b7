#include "diff/callers.h"

#include <algorithm>
#include <set>

#include "diff/names.h"

namespace suture {

namespace {

class CallerSearch {
 public:
  CallerSearch(const DiffInput &input, const Place &function)
      : in_(input), pre_(input.pre->program()), function_(function) {}

  std::optional<std::vector<Place>> run() {
    if (is_called_from_outside()) return std::nullopt;
    for (uint32_t o = 0; o < pre_.object_count(); ++o)
      for (uint32_t s = 1; s < pre_.object(o).sections.size(); ++s) {
        const ObjectSection &section = pre_.object(o).sections[s];
        const Place from = pre_.section_place(o, s);
        // Of copies that the linker drops, the one that it keeps tells.
        const bool dropped = from.object != o || from.section != s;
        if (!section.loaded() || section.kind == ObjectSection::Kind::unwind || from == function_ || dropped) continue;
        if (!look_at(o, s)) return std::nullopt;
      }
    return std::vector<Place>(callers_.begin(), callers_.end());
  }

 private:
  bool is_called_from_outside() const {
    if (is_reached_by_address()) return true;
    for (const uint32_t s : pre_.symbols_in(function_.object, function_.section)) {
      const ObjectSymbol &symbol = pre_.object(function_.object).symbols[s];
      if (symbol.local()) continue;
      if (symbol.name == "main")
        return true;  // called by the C library's start-up code, which is not among the objects
      if (in_.image->exports(symbol.name)) return true;
    }
    return false;
  }

  // By address as well as by name: a versioned alias (.symver) or one that the linker made (--defsym, --wrap) exports it, or leads to it, under
  // a name that no object has for it.
  bool is_reached_by_address() const {
    const LocatedCode *located = in_.solution->code(function_);
    if (located == nullptr) return true;
    const LinkRange range{located->at, located->match.image_bytes};
    const auto inside = [&](LinkAddr address) { return range.contains(address); };
    const std::vector<Place> led = in_.solution->led_into(range);
    return inside(in_.image->entry) || std::any_of(in_.image->loader_calls.begin(), in_.image->loader_calls.end(), inside) ||
           std::any_of(led.begin(), led.end(), [&](const Place &place) { return pre_.section_of(place) != function_; }) ||
           std::any_of(in_.image->dynamic_symbols.begin(), in_.image->dynamic_symbols.end(),
                       [&](const ImageSymbol &known) {
                         return known.defined && known.kind != ImageSymbol::Kind::tls && inside(known.address);
                       });
  }

  // False when the section reaches the function in a way that replacing callers does not change.
  bool look_at(uint32_t o, uint32_t s) {
    const ObjectSection &section = pre_.object(o).sections[s];
    bool calls = false;
    for (uint32_t e = 0; e < section.edges.size(); ++e) {
      const ObjectSymbol &symbol = pre_.object(o).symbols[section.edges[e].symbol];
      // Cheap test before the reference is worked out.
      if (symbol.local() && (o != function_.object || symbol.section != function_.section)) continue;
      if (pre_.section_of(in_.pre->reference(o, s, e).place) != function_) continue;
      if (section.kind != ObjectSection::Kind::code || !in_.pre->is_call(o, s, e)) return false;
      calls = true;
    }
    return !calls || add_caller(o, s);
  }

  bool add_caller(uint32_t o, uint32_t s) {
    const Program &post = in_.post->program();
    const auto twin = in_.twins->post_of(o, s);
    if (!twin || is_part_name(pre_.describe({Place::Kind::section, o, s, 0, 0}))) return false;
    const Place place = post.section_place(o, *twin);
    const std::vector<Difference> &left = in_.comparison->left();
    if (place.object != o || place.section != *twin ||
        std::any_of(left.begin(), left.end(),
                    [&](const Difference &entry) { return entry.object == o && entry.section == *twin; }))
      return false;
    callers_.insert(place);
    return true;
  }

  const DiffInput &in_;
  const Program &pre_;
  const Place function_;
  std::set<Place> callers_;
};

}  // namespace

std::optional<std::vector<Place>> all_callers(const DiffInput &input, const Place &function) {
  return CallerSearch(input, function).run();
}

}  // namespace suture
