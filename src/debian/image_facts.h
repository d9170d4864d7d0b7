// What an ELF file tells that survives stripping and does not depend on how its code came out: by it a shipped file is matched to
// the link that made it.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "base/result.h"

namespace suture {

struct ImageFacts {
  bool executable = false;
  std::string soname;
  std::set<std::string> names;      // "+defined", "-imported", "needs library"
  // "defined@version", "@@" where that is the default one. Of exports only: the versions of imports are those of the libraries that were
  // there when it was linked.
  std::set<std::string> versions;
  std::set<std::string> compilers;  // what .comment says
};

// Refused, or corrupt, when it is no linked ELF file of an architecture we know.
Result<ImageFacts> read_image_facts(const std::filesystem::path &file);
bool is_linked_file(const std::filesystem::path &file);
// From 0 to 1: the share of their names that both have.
double likeness(const std::set<std::string> &a, const std::set<std::string> &b);
// The folder that a text in the file names as where `source_folder` ("nginx-1.22.1") was built; empty when none does.
Result<std::string> embedded_build_path(const std::filesystem::path &file, const std::string &source_folder);

}  // namespace suture
