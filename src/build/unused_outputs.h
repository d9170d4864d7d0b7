// Linked files that are neither wanted nor used by the build: tests, fuzzers, examples. A second build need not link them again.
//
// Whether a file was used is told by its time of access: the wrapper sets that of each file it linked to a mark, which the
// kernel replaces when anybody reads, maps or runs the file (also on mounts with `relatime`: the mark lies before the time of
// modification, see inode_needs_update_time and relatime_need_update in Linux, fs/inode.c). What was taken for unused is looked at
// again when the second build is done.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "base/result.h"
#include "build/record.h"

namespace suture {

// Where a build's files are: as its commands see them, and on this machine.
struct TreePlaces {
  std::filesystem::path seen, here;
};

// Marks a file of ours as not read since now. Best effort: a file without the mark counts as used.
void mark_unread(const std::filesystem::path &file);
bool is_marked_unread(const std::filesystem::path &file);
// Brings an unused output up to date without linking it: what is there is touched; what a rule removed is put back from `content`.
// False: it has been used in the meantime, or cannot be written, and has to be linked.
bool spare_link(const std::filesystem::path &output, const std::string &content, const std::filesystem::path &store);

// Whether reads show in the times of access of files in this folder.
bool keeps_access_times(const std::filesystem::path &folder);

// Of the last build's outputs, by their paths as seen: those that are not among `wanted`, were linked once and not read since. With the
// content that the link gave them.
std::map<std::string, std::string> unused_outputs(const Records &built, const std::set<std::string> &wanted, const TreePlaces &tree);

// Whether some output that the build did not link again was used by it after all.
bool used_what_was_spared(const Records &now, const TreePlaces &tree);

}  // namespace suture
