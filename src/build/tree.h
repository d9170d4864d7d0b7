// Source trees: copying one, telling two apart by content, and bringing a built tree from one to the other by touching
// only the files that differ, so that the build's own rules decide what is to be made again.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace suture {

enum class TreeChangeKind { added, removed, changed };

struct TreeChange {
  std::string path;  // relative to the tree
  TreeChangeKind kind = TreeChangeKind::changed;
};

// Copies files, folders and symbolic links with their modes and modification times. `to` must not exist yet.
Status copy_tree(const std::filesystem::path &from, const std::filesystem::path &to);

// What differs from `pre` to `post`, by content, type and executable bit; sorted by path.
Result<std::vector<TreeChange>> compare_trees(const std::filesystem::path &pre, const std::filesystem::path &post);

// A name for the content, type and executable bit of each file of a tree, by its path: equal for equal trees, whatever
// their times.
using TreeManifest = std::map<std::string, std::string>;
Result<TreeManifest> read_manifest(const std::filesystem::path &tree);
// Paths that differ between two manifests.
std::vector<TreeChange> compare_manifests(const TreeManifest &pre, const TreeManifest &post);

// What the path leads to through links, with none left in it; empty when that is nothing, or not below `root`, which has none: a build may
// have made links to anywhere.
std::filesystem::path target_within(const std::filesystem::path &root, const std::filesystem::path &path);

// One file as it should be in the built tree.
struct WantedFile {
  enum class Type { absent, regular, link } type = Type::absent;
  Bytes content;  // of a regular file; target of a link
  unsigned mode = 0644;
};
Result<WantedFile> read_wanted(const std::filesystem::path &path);
// Makes `tree/path` like `wanted`, with fresh times, so that make notices; false: it was like it already and is left
// alone.
Result<bool> put_wanted(const std::filesystem::path &path, const WantedFile &wanted);

}  // namespace suture
