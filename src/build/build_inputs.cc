#include "build/build_inputs.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

namespace suture {

namespace {

namespace fs = std::filesystem;

// Names in arrays that need no start-up: every run of the program would pay for it.
constexpr auto kRead = std::to_array<std::string_view>({".c", ".cc", ".cpp", ".cxx", ".C", ".h", ".hh", ".hpp", ".hxx",
                                                       ".inc", ".inl", ".ipp", ".tcc", ".S", ".s", ".asm", ".md",
                                                       ".rst", ".html", ".texi", ".pod", ".po", ".pot", ".svg", ".png", ".jpg", ".pdf",
                                                       ".1", ".2", ".3", ".4", ".5", ".6", ".7", ".8"});
constexpr auto kFolders = std::to_array<std::string_view>({"test", "tests", "t", "testsuite", "doc", "docs", "man", "po", "examples", "fuzz"});
constexpr auto kCommands = std::to_array<std::string_view>({".mk", ".sh", ".pl", ".py", ".cmake", ".am", ".in"});
constexpr auto kForPeople = std::to_array<std::string_view>({"ChangeLog", "CHANGES", "NEWS", "README", "AUTHORS",
                                                            "THANKS", "COPYING", "LICENSE", "TODO", "RELEASE-NOTES"});

bool is_one_of(const auto &names, const std::string &name) { return std::find(names.begin(), names.end(), name) != names.end(); }

bool is_told_to_people(const std::string &name) {
  return std::any_of(kForPeople.begin(), kForPeople.end(), [&](std::string_view start) { return name.starts_with(start); });
}

}  // namespace

bool may_steer_build(const std::string &path) {
  const fs::path file(path);
  const std::string name = file.filename().string(), extension = file.extension().string();
  if (path.starts_with(".pc/") || path.starts_with("debian/patches/")) return false;
  if (path.starts_with("debian/")) return name == "rules" || is_one_of(kCommands, extension);
  if (is_one_of(kRead, extension) || (extension == ".txt" && name != "CMakeLists.txt") || is_told_to_people(name)) return false;
  return !is_beside_program(path);
}

bool is_beside_program(const std::string &path) {
  const fs::path folder = fs::path(path).parent_path();
  return std::any_of(folder.begin(), folder.end(), [](const fs::path &part) { return is_one_of(kFolders, part.string()); });
}

}  // namespace suture
