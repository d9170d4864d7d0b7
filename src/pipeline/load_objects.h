// The objects of one link, before and after the fix, as the differencing takes them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "build/driver.h"
#include "model/object_graph.h"

namespace suture {

// All of one length. An object that is in one build only is an empty one in the other.
struct LinkedObjects {
  std::vector<std::shared_ptr<const ObjectGraph>> pre;
  std::vector<std::shared_ptr<const ObjectGraph>> post;
  std::vector<bool> changed;
  std::vector<bool> from_tree;
};

// clang's intermediate code, which is no ELF file.
bool is_bitcode(ByteView file);

// `output_path` names the machine code that a link made of intermediate code. Refused when that was not seen.
Result<LinkedObjects> load_objects(const std::vector<ObjectPair> &pairs, const std::string &output_path);

}  // namespace suture
