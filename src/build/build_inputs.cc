#include "build/build_inputs.h"

#include <algorithm>
#include <filesystem>
#include <set>

namespace suture {

namespace {

namespace fs = std::filesystem;

const std::set<std::string> kRead = {".c",   ".cc",  ".cpp", ".cxx", ".C",   ".h",  ".hh", ".hpp", ".hxx", ".inc", ".inl",
                                     ".ipp", ".tcc", ".S",   ".s",   ".asm", ".md", ".rst", ".html", ".texi", ".pod", ".po",
                                     ".pot", ".svg", ".png", ".jpg", ".pdf", ".1",  ".2",  ".3",   ".4",   ".5",  ".6", ".7", ".8"};
const std::set<std::string> kFolders = {"test", "tests", "t", "testsuite", "doc", "docs", "man", "po", "examples", "fuzz"};
const std::set<std::string> kCommands = {".mk", ".sh", ".pl", ".py", ".cmake", ".am", ".in"};

bool is_told_to_people(const std::string &name) {
  for (const std::string_view start : {"ChangeLog", "CHANGES", "NEWS", "README", "AUTHORS", "THANKS", "COPYING", "LICENSE", "TODO", "RELEASE-NOTES"})
    if (name.starts_with(start)) return true;
  return false;
}

}  // namespace

bool may_steer_build(const std::string &path) {
  const fs::path file(path);
  const std::string name = file.filename().string(), extension = file.extension().string();
  if (path.starts_with(".pc/") || path.starts_with("debian/patches/")) return false;
  if (path.starts_with("debian/")) return name == "rules" || kCommands.contains(extension);
  if (kRead.contains(extension) || (extension == ".txt" && name != "CMakeLists.txt") || is_told_to_people(name)) return false;
  const fs::path folder = file.parent_path();
  return std::none_of(folder.begin(), folder.end(), [](const fs::path &part) { return kFolders.contains(part.string()); });
}

}  // namespace suture
