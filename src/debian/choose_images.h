// Which link of a build made which shipped file. A pure decision over facts of both: name, soname, imported and exported names. What
// it decides is proved afterwards, when the functions of the link are located in the shipped file; it never picks one of two equals.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "debian/image_facts.h"

namespace suture {

struct OutputFacts {
  std::string path;     // relative to the tree
  std::string content;  // of its objects: equal for links that made the same
  ImageFacts facts;
};

struct ShippedFacts {
  std::string path;  // where it is installed
  ImageFacts facts;
};

struct OutputChoice {
  enum class Kind { found, none, several };
  Kind kind = Kind::none;
  size_t output = 0;                // of found
  std::vector<std::string> equals;  // of several: the paths
};

OutputChoice choose_output(const ShippedFacts &shipped, const std::vector<OutputFacts> &outputs);

}  // namespace suture
