#include "diff/variable_hazards.h"

#include "base/cat.h"
#include "diff/names.h"

namespace suture {

namespace {

bool is_plain_variable(const ObjectSection &section) {
  return section.is_variable() && !section.is_thread_local();
}

class VariableHazards {
 public:
  explicit VariableHazards(const DiffInput &input)
      : in_(input), pre_(input.pre->program()), post_(input.post->program()) {}

  std::vector<Hazard> run() {
    find_renamed();
    find_of_another_function();
    find_moved_within_sections();
    return std::move(out_);
  }

 private:
  // One variable of an object gone and one like it new: it may be the same under another name, and then its value would
  // be lost.
  void find_renamed() {
    for (const Difference &now : in_.comparison->differences()) {
      if (now.change != Change::added || in_.twins->ambiguous(now.object, now.section) ||
          !post_.object(now.object).sections[now.section].is_variable())
        continue;
      for (const Difference &gone : in_.comparison->differences()) {
        if (gone.change != Change::removed || gone.object != now.object) continue;
        if (without_numbers(gone.name) == without_numbers(now.name) && is_thread_local(pre_, gone) != is_thread_local(post_, now)) {
          tell_storage(now);
          break;
        }
        if (!may_be_one(gone, now)) continue;
        out_.push_back({"renamed",
                        now.name,
                        cat("it is new, and ", gone.name,
                            ", a variable like it of the same file, is gone: if they are the same, the running "
                            "program's value is lost"),
                        {}});
        break;
      }
    }
  }
  static bool is_thread_local(const Program &program, const Difference &difference) {
    return program.object(difference.object).sections[difference.section].is_thread_local();
  }
  void tell_storage(const Difference &now) {
    const bool apart = is_thread_local(post_, now);
    out_.push_back({"renamed",
                    now.name,
                    cat("it was ", apart ? "one for all threads and is one for each now" : "one for each thread and is one for all now",
                        ", and what the running program has in it is lost: new code begins with its initial value"),
                    {}});
  }
  bool may_be_one(const Difference &gone, const Difference &now) const {
    const ObjectSection &old = pre_.object(gone.object).sections[gone.section];
    const ObjectSection &fresh = post_.object(now.object).sections[now.section];
    // Of those whose names differ in numbers only there is one more or less now.
    if (post_.definition(gone.name) || without_numbers(gone.name) == without_numbers(now.name)) return false;
    return old.kind == fresh.kind && old.size_bytes == fresh.size_bytes && old.alignment == fresh.alignment &&
           old.bytes == fresh.bytes;
  }

  // The only ones of a name on each side, and each of another function: one variable whose function got another name, or two of which the
  // compiler dropped one in either build.
  void find_of_another_function() {
    for (uint32_t o = 0; o < post_.object_count(); ++o)
      for (uint32_t s = 1; s < post_.object(o).sections.size(); ++s) {
        const ObjectSection &now = post_.object(o).sections[s];
        const auto twin = now.owner.empty() || !now.is_variable() ? std::nullopt : in_.twins->pre_of(o, s);
        const std::string before = twin ? pre_.object(o).sections[*twin].owner : std::string();
        if (before.empty() || before == now.owner) continue;
        out_.push_back({"renamed", post_.describe(post_.section_place(o, s)),
                        cat("it is static in ", now.owner, ", and was static in ", before,
                            ": if those are two variables, the new code would go on with the value of the old one"), {}});
      }
  }

  // Where several variables share a section that the source names, one more or less moves the others.
  void find_moved_within_sections() {
    for (uint32_t o = 0; o < post_.object_count(); ++o)
      for (uint32_t s = 1; s < post_.object(o).sections.size(); ++s)
        if (const auto twin = in_.twins->pre_of(o, s); twin && is_plain_variable(post_.object(o).sections[s]))
          tell_moved(o, *twin, s);
  }
  void tell_moved(uint32_t o, uint32_t before, uint32_t now) {
    for (const uint32_t b : post_.symbols_in(o, now))
      for (const uint32_t a : pre_.symbols_in(o, before)) {
        const ObjectSymbol &old = pre_.object(o).symbols[a];
        const ObjectSymbol &fresh = post_.object(o).symbols[b];
        if (old.kind != ObjectSymbol::Kind::data || old.name != fresh.name || old.value == fresh.value) continue;
        out_.push_back({"layout",
                        fresh.name,
                        cat("it moves in section ", post_.object(o).sections[now].name, " from byte ", old.value,
                            " to ", fresh.value, ", where the running program has something else"),
                        {}});
      }
  }

  const DiffInput &in_;
  const Program &pre_;
  const Program &post_;
  std::vector<Hazard> out_;
};

}  // namespace

std::vector<Hazard> find_variable_hazards(const DiffInput &input) {
  return VariableHazards(input).run();
}

}  // namespace suture
