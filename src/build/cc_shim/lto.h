// A link with intermediate code in it makes machine code only within the linker: its plugin calls the compiler, links what
// that gives, and removes it. That machine code is what the image consists of, so it is kept: gcc's lto-wrapper is asked to
// keep its files in a folder of ours (by COLLECT_GCC_OPTIONS, through which the compiler driver hands it its options), clang's
// plugins and lld to write a copy there. All are asked for one section per function and variable, as compilations are.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/fd.h"
#include "build/cc_shim/shim.h"
#include "build/ld_args.h"

namespace suture {

class LtoObjects {
 public:
  explicit LtoObjects(const ShimCall &call);
  LtoObjects(const LtoObjects &) = delete;
  LtoObjects &operator=(const LtoObjects &) = delete;
  // The folder goes with all that is in it.
  ~LtoObjects();

  // Adds to the linker's words and environment what makes it keep the objects, where it may have to do with such code at all.
  void ask_for(std::vector<std::string> &args, std::vector<std::string> &environment);
  // After the link: the objects of machine code made in it, in the order of their numbers.
  std::vector<std::filesystem::path> made() const;
  // Files that only our asking left in the build's own folders are removed: objects of debugging information.
  static bool is_left_over(const std::string &path);
  bool holds(const std::filesystem::path &path) const;

 private:
  void ask_gcc(std::vector<std::string> &environment);
  void wait_for_turn();
  void ask_clang(std::vector<std::string> &args, bool own_plugin);

  const ShimCall &call_;
  std::filesystem::path folder_;
  Fd turn_;  // held until what was left in the build's folders is removed
};

}  // namespace suture
