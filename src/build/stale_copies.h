// Some builds compile copies of their sources, made by a step that is not run again. The second build then compiles the old
// text once more, and nothing about it looks wrong: every object is made, and none differs.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/bytes.h"
#include "build/record.h"

namespace suture {

class StaleCopies {
 public:
  void clear() { old_.clear(); }
  // `content` was what a file of that name held before the tree was moved on.
  void note(const std::filesystem::path &file, ByteView content);
  // Whether a compilation read a file of `tree` (at `seen` for the build) that still holds what one of its name held before.
  bool were_read(const Records &records, const std::filesystem::path &seen, const std::filesystem::path &tree) const;

 private:
  std::multimap<std::string, std::string> old_;  // file name -> digest
};

}  // namespace suture
