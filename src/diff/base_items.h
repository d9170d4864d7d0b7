// Strings and constants without a name that the image has already. Linkers merge equal ones, so programs may compare their addresses,
// and what new code leaves of them somewhere must not go when the patch does: new code uses the image's own.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "diff/code_cache.h"
#include "diff/run_pre.h"

namespace suture {

class BaseItems {
 public:
  // What located code refers to, without relocations, where the image holds the same bytes in memory that nobody writes to.
  BaseItems(CodeCache &pre, const Solution &solution, const Image &image);
  // For an item of `section` in the object of that path, whose own come first; where linkers do not merge, only its own. None when the image is
  // not known to have one that is so aligned.
  std::optional<LinkAddr> find(ByteView content, const std::string &object_path, const ObjectSection &section) const;

 private:
  struct Known {
    LinkAddr at;
    std::string_view object_path;
    bool merged = false;
  };
  std::multimap<std::string_view, Known> known_;  // by content; texts are those of the pre objects
};

}  // namespace suture
