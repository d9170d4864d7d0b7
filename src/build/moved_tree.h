// A built tree that was brought to another source by changing the files that differ.
#pragma once

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "build/record.h"

namespace suture {

struct MovedTree {
  std::filesystem::path seen, tree;  // as the build sees it, and on this machine
  std::filesystem::path source;      // what it was brought to
  std::set<std::string> moved;       // files that were touched for that, relative

  // Those files by the names that compilers' records have for them.
  std::set<std::string> as_seen() const {
    std::set<std::string> files;
    for (const std::string &path : moved) files.insert((seen / path).string());
    return files;
  }
};

// Where the compiler told what it read.
inline bool reads_one_of(const CompileRecord &compile, const std::set<std::string> &files) {
  return std::any_of(compile.dependencies.begin(), compile.dependencies.end(), [&](const std::string &file) { return files.contains(file); });
}

}  // namespace suture
