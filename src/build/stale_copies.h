// Some builds compile copies of their sources, made by a step that is not run again. The second build then compiles the old
// text once more, and nothing about it looks wrong: every object is made, and none differs. So the copies follow their originals,
// and afterwards it is looked whether one that stayed behind was read.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "build/record.h"

namespace suture {

class StaleCopies {
 public:
  void clear() { old_.clear(); }
  // `content` was what the file, relative to the tree, held before the tree was moved on.
  void note(const std::filesystem::path &file, ByteView content);
  // Of the files of `tree` (at `seen` for the build) that compilations read, and that are none of `source`'s own: those that still hold
  // what one noted file of their name held get what that file holds now. Gives their paths in the tree.
  Result<std::set<std::string>> bring_along(const Records &records, const std::filesystem::path &seen, const std::filesystem::path &tree,
                                            const std::filesystem::path &source) const;
  // Whether a compilation read a file of `tree` (at `seen` for the build) that still holds what one of its name held before.
  bool were_read(const Records &records, const std::filesystem::path &seen, const std::filesystem::path &tree) const;

 private:
  struct Old {
    std::string digest;
    std::filesystem::path file;
  };
  // The noted files that `copy` of the tree holds the old content of.
  std::vector<std::filesystem::path> originals_of(const std::filesystem::path &tree, const std::filesystem::path &copy) const;
  // What the compilations read in the tree that is named like a noted file: relative paths.
  std::set<std::string> namesakes_read(const Records &records, const std::filesystem::path &seen) const;

  std::multimap<std::string, Old> old_;  // by file name
};

}  // namespace suture
