// Changed initial values that are to be written into running programs, each where the running value is still the old
// one. They are hooks that nobody had to write: a table of values and the code that goes through it are added to the
// object of the variable, as if the fix had declared them with suture/patch.h, and come into the patch like any other.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "diff/make_patch.h"

namespace suture {

struct ValueWrite {
  std::string name;
  Place pre;
  Place post;
  Bytes old_bytes;
  Bytes new_bytes;
  Bytes mask;  // 0xff for the bytes that are compared and written: whole words in which something changes
};

// The writes for variables of these names. Refused where one cannot be done, live and in the file: see the texts.
Result<std::vector<ValueWrite>> plan_value_writes(const DiffInput &input, const std::set<std::string> &names);

// The post objects with what does the writing.
void add_value_writers(const std::vector<ValueWrite> &writes, const Arch &arch,
                       std::vector<std::shared_ptr<const ObjectGraph>> &post_objects);

// What the file must hold, for the coldpatch.
Result<std::vector<InitialValue>> initial_values(const DiffInput &input, const std::vector<ValueWrite> &writes);

}  // namespace suture
