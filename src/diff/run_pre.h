// Run-pre matching on disk: where in the shipped image is each function and variable of the pre objects?
//
// The image may be stripped. Its unwind table tells where functions begin and how long they are; the pre objects' code is
// compared there (match_code). A match also solves every reference that the function makes, so one located function tells
// where its callees and its data are, and relocated data tells more. What is ambiguous alone (small functions) is decided
// by such references, or by the order in which the linker puts the functions of one object; never by a guess: two witnesses
// that disagree make a value unusable, and what nothing decides stays unknown.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "diff/code_cache.h"
#include "diff/match_code.h"
#include "diff/program.h"
#include "model/image.h"

namespace suture {

struct LocatedCode {
  LinkAddr at;
  CodeMatch match;
  std::string how;  // "only match", "by name", "referenced from X", "between A and B"
};

// The value of (place, access) in the image and who says so.
struct SolvedValue {
  uint64_t value = 0;
  uint32_t witnesses = 0;
  bool conflict = false;
  std::string source;     // first witness
  std::string dissenter;  // first witness that disagrees
  uint64_t dissent = 0;   // and what it says
};

struct MatchTotals {
  uint64_t functions = 0;          // code sections in the objects
  uint64_t located = 0;
  uint64_t absent = 0;             // no address in the image matches
  uint64_t ambiguous = 0;          // more than one does, and nothing decides
  uint64_t code_bytes = 0;
  uint64_t located_bytes = 0;
};

class Solution {
 public:
  const LocatedCode *code(const Place &place) const;
  // Everything located at an address: more than one where the linker folded identical code into one.
  std::vector<Place> located_at(LinkAddr at) const;
  const SolvedValue *value(const Place &place, Access access) const;
  // Everything that references lead to within a range, also what is in conflict.
  std::vector<Place> led_into(LinkRange range) const;
  // Addresses of strings and constants without a name, as references to them tell; none that are in conflict.
  std::vector<std::pair<Place, LinkAddr>> items() const;
  // Why a function has no place: the nearest mismatch, or the ambiguous addresses.
  std::string why_not(const Place &place) const;
  const MatchTotals &totals() const { return totals_; }

 private:
  friend class RunPre;
  std::map<Place, LocatedCode> code_;
  std::map<std::pair<Place, Access>, SolvedValue> values_;
  std::map<Place, std::string> why_not_;
  MatchTotals totals_;
};

// `counted[o]`: functions of object o count in the totals (those of the C library's start files do not).
Solution locate_in_image(CodeCache &pre, const Image &image, const std::vector<bool> &counted);

}  // namespace suture
