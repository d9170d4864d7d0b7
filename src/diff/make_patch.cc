#include "diff/make_patch.h"

#include <algorithm>
#include <deque>
#include <unordered_set>

#include "base/cat.h"
#include "base/refusals.h"
#include "diff/author_code.h"
#include "diff/binder.h"
#include "diff/callers.h"
#include "diff/entry_room.h"
#include "diff/names.h"
#include "diff/own_unwinder.h"

namespace suture {

namespace {

using Kind = ObjectSection::Kind;

constexpr uint64_t kBytesToKnowAFunction = 16;

class PatchMaker {
 public:
  explicit PatchMaker(const DiffInput &input) : in_(input), binder_(input) {
    local_names_kept_ = keeps_local_names();
  }

  Result<MadePatch> run() {
    Refusals refusals;
    for (const Difference &difference : in_.comparison->differences()) TRY(refusals.keep(consider(difference)));
    hooks_ = TRY(find_hooks(in_));
    TRY(carry_hooks(in_, hooks_, binder_));
    TRY(refusals.keep(binder_.bind_all()));
    TRY(refusals.keep(binder_.add_unwind()));
    binder_.set_author_code(describe_author_code(in_, hooks_, binder_));
    binder_.add_thread_block_hooks();
    for (const Replaced &entry : replaced_) TRY(refusals.keep(redirect(entry)));
    TRY(refusals.all());
    report_additions();
    const std::vector<Place> carried = binder_.carried_functions();
    out_.carried.insert(carried.begin(), carried.end());
    out_.object = std::move(binder_).take();
    if (!out_.object.unwind.empty()) TRY(add_unwinder());
    return std::move(out_);
  }

 private:
  struct Replaced {
    const Difference *difference;
    Place pre;
    Place post;
    const LocatedCode *located;
  };
  struct Short {
    Replaced replaced;
    std::string reason;
  };

  // Changed functions are replaced; everything else comes along only when something needs it.
  Status consider(const Difference &difference) {
    const Program &post = in_.post->program();
    if (difference.change != Change::changed ||
        post.object(difference.object).sections[difference.section].kind != Kind::code)
      return {};
    if (is_part_name(difference.name)) return {};
    const Place own{Place::Kind::section, difference.object, difference.section, 0, 0};
    const auto pre = Comparison::pre_place(in_.pre->program(), post, *in_.twins, own);
    if (!pre || !considered_.insert(*pre).second) return {};
    // Of the copies of a COMDAT function the linker keeps one; which object it comes from may have changed.
    const Place place = post.section_place(own.object, own.section);
    if (in_.comparison->of(place.object, place.section) == Change::same && !short_callers_.contains(place)) return {};
    const LocatedCode *located = in_.solution->code(*pre);
    if (located == nullptr) return consider_absent(difference, *pre);
    if (!is_linked(*pre)) return refuse_stray(*pre, *located);
    if (has_short_entry(*pre, *located))
      if (const auto callers = all_callers(in_, *pre))
        return replace_callers({&difference, *pre, place, located}, *callers);
    binder_.replace(place, located->at);
    replaced_.push_back({&difference, *pre, place, located});
    return {};
  }

  // Whether a jump cannot be put over one of its entries: too few bytes, or in two pages, which are two writes
  // (apply/region.cc).
  bool has_short_entry(const Place &pre, const LocatedCode &located) const {
    const Program &program = in_.pre->program();
    const std::vector<uint32_t> &symbols = program.symbols_in(pre.object, pre.section);
    return std::any_of(symbols.begin(), symbols.end(), [&](uint32_t s) {
      const ObjectSymbol &symbol = program.object(pre.object).symbols[s];
      if (symbol.kind != ObjectSymbol::Kind::function) return false;
      const EntryRoom room = entry_room(*in_.pre, pre, located, *in_.image, symbol.value);
      const uint64_t bytes = in_.pre->arch().redirect_bytes;
      return room.room_bytes < bytes || room.site.value % kPageBytes + bytes > kPageBytes;
    });
  }

  // Such a function, where nothing reaches it but calls that are known: the callers are replaced, and call the new one.
  // Its old code is left with theirs.
  Status replace_callers(const Replaced &entry, const std::vector<Place> &callers) {
    const std::string name = in_.post->program().describe(entry.post);
    short_.emplace(entry.post, Short{entry, cat(entry.difference->reason,
                                                "; no jump can be put over its entry, so its callers are replaced")});
    binder_.bring(entry.post);
    for (const Place &caller : callers) {
      left_with_[caller].push_back(entry.post);
      if (in_.comparison->of(caller.object, caller.section) != Change::same || short_callers_.contains(caller))
        continue;
      const std::string reason = cat("calls ", name, ", over whose entry no jump can be put");
      const auto [known, inserted] = short_callers_.emplace(
          caller,
          Difference{Change::changed, caller.object, caller.section, in_.post->program().describe(caller), reason});
      TRY(consider(known->second));
    }
    return {};
  }

  Status consider_absent(const Difference &difference, const Place &pre) {
    const std::string name = in_.pre->program().describe(pre);
    if (!is_linked(pre)) {
      out_.not_in_image.push_back(name);
      return {};
    }
    return Error::refused(cat("function ", name, " (", in_.pre->program().object(pre.object).path,
                              ") changes but cannot be found in ", in_.image->path, ": ", in_.solution->why_not(pre)))
        .with_next(cat("check that the pre source and the compiler are those the image was built with (",
                       difference.reason, ")"));
  }

  // The linker dropped it, so the code that looks like it is another function's.
  Status refuse_stray(const Place &pre, const LocatedCode &located) const {
    return Error::refused(cat("function ", in_.pre->program().describe(pre), " (",
                              in_.pre->program().object(pre.object).path,
                              ") changes, and the pre build's own link does not contain it; yet code like it is at ",
                              hex(located.at.value), " of ", in_.image->path, " (", located.how,
                              "): which is right cannot be told"))
        .with_next(
            "check that the build links the image as the shipped one was linked, or leave the function as it is "
            "(--leave)");
  }

  bool is_in_link(const std::string &name) const { return in_.linked_names != nullptr && in_.linked_names->contains(name); }

  // A linker may drop the names of local functions (-x): then a name that is missing tells nothing.
  bool keeps_local_names() const {
    const Program &pre = in_.pre->program();
    for (uint32_t o = 0; o < pre.object_count(); ++o)
      for (const ObjectSymbol &symbol : pre.object(o).symbols)
        if (symbol.kind == ObjectSymbol::Kind::function && symbol.local() && is_in_link(symbol.name))
          return true;
    return false;
  }

  // Whether the linked pre build has a symbol of the section. Only names tell: what has none may be there, and so may
  // all where the link keeps none or is not known.
  bool is_linked(const Place &pre) const {
    if (in_.linked_names == nullptr || in_.linked_names->empty()) return true;
    bool named = false;
    for (const uint32_t s : in_.pre->program().symbols_in(pre.object, pre.section)) {
      const ObjectSymbol &symbol = in_.pre->program().object(pre.object).symbols[s];
      if (symbol.name.empty() || symbol.kind != ObjectSymbol::Kind::function) continue;
      if (is_in_link(symbol.name) || (symbol.local() && !local_names_kept_)) return true;
      named = true;
    }
    return !named;
  }

  Status redirect(const Replaced &entry) {
    TRY_WHILE(add_redirect(entry), cat("replacing ", entry.difference->name));
    return {};
  }

  // A redirect of folded code would change every function that was folded into it.
  Status check_alone(const Replaced &entry) const {
    for (const Place &other : in_.solution->located_at(entry.located->at))
      if (other != entry.pre)
        return Error::refused(cat("the image has one piece of code for it and for ", in_.pre->program().describe(other),
                                  " (identical code folding)"))
            .with_next("replace the callers instead: move the fix into them");
    return {};
  }

  Status add_redirect(const Replaced &entry) {
    TRY(check_alone(entry));
    const ObjectGraph &post = in_.post->program().object(entry.post.object);
    const ObjectGraph &pre = in_.pre->program().object(entry.pre.object);
    std::set<uint64_t> done;
    for (const uint32_t s : in_.post->program().symbols_in(entry.post.object, entry.post.section)) {
      const ObjectSymbol &symbol = post.symbols[s];
      if (symbol.kind == ObjectSymbol::Kind::ifunc)
        return Error::refused(
                   cat(symbol.name,
                       " is chosen by this function, an IFUNC resolver: it has already chosen in running processes"))
            .with_next("change what the resolver chooses from, not the resolver");
      // Assembly may leave a label that others call without a type.
      const bool label = symbol.kind == ObjectSymbol::Kind::none && !symbol.local();
      if (symbol.kind != ObjectSymbol::Kind::function && !label) continue;
      if (!done.insert(symbol.value).second) continue;  // an alias
      TRY(add_entry(entry, symbol, pre));
    }
    if (done.empty()) return Error::refused("the changed code has no function symbol to enter it by");
    return {};
  }

  Status add_entry(const Replaced &entry, const ObjectSymbol &symbol, const ObjectGraph &pre) {
    uint64_t pre_value = 0;
    bool found = symbol.value == 0;
    for (const uint32_t p : in_.pre->program().symbols_in(entry.pre.object, entry.pre.section))
      if (!found && without_numbers(pre.symbols[p].name) == without_numbers(symbol.name)) {
        pre_value = pre.symbols[p].value;
        found = true;
      }
    if (!found) return Error::refused(cat(symbol.name, " has no twin in the pre object"));
    const EntryRoom room = entry_room(*in_.pre, entry.pre, *entry.located, *in_.image, pre_value);
    if (room.room_bytes < in_.pre->arch().redirect_bytes)
      return Error::refused(cat("function ", symbol.name, " has ", room.room_bytes,
                                " bytes at its entry that may be overwritten; the redirect needs ",
                                in_.pre->arch().redirect_bytes));
    PatchRedirect redirect;
    redirect.redirect.name = symbol.name;
    redirect.redirect.old_entry = image_address(entry.located->match, entry.located->at, pre_value);
    redirect.redirect.site = room.site;
    redirect.redirect.room_bytes = room.room_bytes;
    redirect.redirect.old_parts = TRY(old_parts(entry));
    redirect.piece = *binder_.piece_of(entry.post);
    redirect.offset = symbol.value;
    // A landing pad stays where it is in the old function, so the jump may go behind the new one's.
    add_validations(redirect.redirect);
    uint64_t old_bytes = 0;
    for (const LinkRange &part : redirect.redirect.old_parts) old_bytes += part.size_bytes;
    out_.functions.push_back(
        {symbol.name, old_bytes, new_bytes(entry.post), entry.difference->reason, false, entry.post, entry.pre});
    binder_.add_redirect(std::move(redirect));
    return {};
  }

  uint64_t new_bytes(const Place &post) const {
    uint64_t bytes = in_.post->program().section(post).size_bytes;
    for (const Place &part : parts_of(*in_.post, post)) bytes += in_.post->program().section(part).size_bytes;
    return bytes;
  }

  // Cold parts that a function jumps to.
  static std::vector<Place> parts_of(CodeCache &side, const Place &place) {
    std::vector<Place> parts;
    const ObjectSection &section = side.program().section(place);
    for (uint32_t e = 0; e < section.edges.size(); ++e) {
      const Place target = side.reference(place.object, place.section, e).place;
      if (target.kind != Place::Kind::section || target == place || side.program().section(target).kind != Kind::code)
        continue;
      if (is_part_name(side.program().describe(target)) && std::find(parts.begin(), parts.end(), target) == parts.end())
        parts.push_back(target);
    }
    return parts;
  }

  Result<std::vector<LinkRange>> old_parts(const Replaced &entry) {
    std::vector<LinkRange> parts;
    std::set<Place> seen = {entry.post};
    std::deque<const Replaced *> left = {&entry};
    for (; !left.empty(); left.pop_front()) {
      TRY(add_parts(*left.front(), parts));
      // A caller without room for a jump has callers in turn, and all of their old code is left at once.
      if (const auto with = left_with_.find(left.front()->post); with != left_with_.end())
        for (const Place &function : with->second)
          if (seen.insert(function).second) left.push_back(&short_.at(function).replaced);
    }
    return parts;
  }

  Status add_parts(const Replaced &entry, std::vector<LinkRange> &parts) {
    parts.push_back({entry.located->at, entry.located->match.image_bytes});
    for (const Place &part : parts_of(*in_.pre, entry.pre)) {
      if (const LocatedCode *located = in_.solution->code(part)) {
        parts.push_back({located->at, located->match.image_bytes});
        continue;
      }
      // The function's own jump tells where its part is, the unwind table how long.
      const SolvedValue *value = in_.solution->value(part, Access::address);
      const UnwindRange *range = value != nullptr && !value->conflict ? unwind_at(LinkAddr(value->value)) : nullptr;
      if (range == nullptr)
        return Error::refused(
            cat("its part ", in_.pre->program().describe(part), " cannot be found: ", in_.solution->why_not(part)));
      parts.push_back(range->range);
    }
    return {};
  }

  const UnwindRange *unwind_at(LinkAddr at) const {
    const auto it =
        std::lower_bound(in_.image->unwind.begin(), in_.image->unwind.end(), at,
                         [](const UnwindRange &range, LinkAddr value) { return range.range.begin < value; });
    return it != in_.image->unwind.end() && it->range.begin == at ? &*it : nullptr;
  }

  // The bytes that will be overwritten, as they are; the whole old function by its digest.
  void add_validations(const Redirect &redirect) {
    const uint64_t head = (redirect.site - redirect.old_entry) + std::min<uint64_t>(redirect.room_bytes, 16);
    const ByteView bytes = in_.image->at(redirect.old_entry, head);
    binder_.add_validation({LinkRange{redirect.old_entry, bytes.size()}, Bytes(bytes.begin(), bytes.end()), {}, {}});
    for (const LinkRange &part : redirect.old_parts)
      binder_.add_validation({part, {}, {}, sha256(in_.image->at(part.begin, part.size_bytes))});
  }

  Status add_unwinder() {
    out_.object.unwinder = TRY(find_own_unwinder(in_));
    if (!out_.object.unwinder) return {};
    for (const LinkAddr function : {out_.object.unwinder->add, out_.object.unwinder->remove}) {
      const ByteView bytes = in_.image->at(function, kBytesToKnowAFunction);
      out_.object.validations.push_back({LinkRange{function, bytes.size()}, Bytes(bytes.begin(), bytes.end()), {}, {}});
    }
    return {};
  }

  void report_additions() {
    for (const Place &place : binder_.carried_functions()) {
      if (is_part_name(in_.post->program().describe(place))) continue;
      if (std::any_of(replaced_.begin(), replaced_.end(), [&](const Replaced &entry) { return entry.post == place; }))
        continue;
      if (const auto known = short_.find(place); known != short_.end()) {
        out_.functions.push_back({in_.post->program().describe(place),
                                  known->second.replaced.located->match.image_bytes, new_bytes(place),
                                  known->second.reason, true, place, std::nullopt});
        continue;
      }
      const bool copy = in_.comparison->of(place.object, place.section) == Change::same;
      std::string reason = hook_reason(hooks_, place);
      if (reason.empty())
        reason = copy ? "a copy: the image has no such function of its own that could be told for certain" : "new";
      out_.functions.push_back(
          {in_.post->program().describe(place), 0, new_bytes(place), std::move(reason), true, place, std::nullopt});
    }
  }

  const DiffInput &in_;
  Binder binder_;
  bool local_names_kept_ = false;
  std::vector<Replaced> replaced_;
  std::map<Place, Short> short_;               // functions without room for a jump
  std::map<Place, Difference> short_callers_;  // what is replaced only because it calls one
  std::map<Place, std::vector<Place>>
      left_with_;  // and the functions whose old code threads must be out of with the caller's
  std::vector<AuthorHook> hooks_;
  std::set<Place> considered_;  // by their places before: each function once, whatever copies there are
  MadePatch out_;
};

}  // namespace

Result<MadePatch> make_patch(const DiffInput &input) {
  return PatchMaker(input).run();
}

}  // namespace suture
