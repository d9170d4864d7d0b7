// Folds the records of a build: which link made a file, and from which objects, relocatable links (`ld -r`) seen
// through.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "build/record.h"

namespace suture {

// The linked files lying in a tree after a build, by build-id: an installed or renamed copy is traced to its link by
// it.
struct OutputIndex {
  std::map<std::string, std::string> build_id_of;  // path relative to the tree -> hex
};
Result<OutputIndex> index_outputs(const std::filesystem::path &tree);
Status write_index(const std::filesystem::path &file, const OutputIndex &index);
Result<OutputIndex> read_index(const std::filesystem::path &file);
// Empty when the file has none.
std::string build_id_of_file(const std::filesystem::path &file);

// Equal for files for the same machine (ELF class, byte order and architecture); empty for what is too short.
std::string machine_of_file(const std::filesystem::path &file);

class LinkView {
 public:
  // Records may be those of several builds of the tree, one after the other: the last link of a path counts.
  LinkView(Records records, std::filesystem::path tree, std::filesystem::path store);
  LinkView(const LinkView &) = delete;  // holds pointers into its own records
  LinkView &operator=(const LinkView &) = delete;

  // The link that made `output` (relative to the tree), also when the file was renamed or copied after the link.
  const LinkRecord *link_of(const std::string &output, const OutputIndex &index) const;
  // The link of the image installed as `shipped_path`, found by name, and among several of that name by machine and
  // build-id; refuses, naming the candidates, when that is not one.
  Result<const LinkRecord *> link_of_shipped(const std::string &shipped_path, const OutputIndex &index) const;
  // The link's objects with `ld -r` outputs replaced by what they were made of.
  std::vector<LinkInput> objects_of(const LinkRecord &link) const;
  std::string source_of(const LinkInput &input) const;
  std::string relative(const std::string &path) const;
  const Records &records() const { return records_; }

 private:
  const LinkRecord *link_of_build_id(const std::string &build_id) const;
  // Leaves those that are most like the shipped file; all where none is.
  void keep_those_like(const std::string &shipped_path, std::set<const LinkRecord *> &candidates) const;
  void expand(const LinkRecord &link, int depth, std::vector<LinkInput> &out) const;

  Records records_;
  std::filesystem::path tree_, store_;
  std::map<std::string, const LinkRecord *> by_output_;
  std::map<std::string, const LinkRecord *> relocatable_by_content_;
  std::multimap<std::string, const CompileRecord *> compiles_by_content_;
};

}  // namespace suture
