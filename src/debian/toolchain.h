// Which compiler a shipped binary was built with, as far as its date tells: stripped files keep no name of it, but the files of a Debian
// package are never younger than its changelog, and which gcc was Debian's default on a day is known. A package that was not
// rebuilt since may be of the compiler before the release's. That the choice is right shows when its functions are located.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "debian/build_root.h"

namespace suture {

// The major version of gcc that was the default for amd64 in Debian at that time; 0 when that is before what is known.
unsigned default_gcc_at(int64_t seconds);

struct Toolchain {
  unsigned gcc = 0;  // major version; 0: the release's default
  std::string note;  // why it is another one than the release's, or why it is not; empty: nothing to tell
};

// From the newest date of the shipped files and the major version of the root's default compiler. One that the release
// has no more is stood in for by the next newer that it has.
Toolchain choose_toolchain(int64_t newest_shipped_file, unsigned default_gcc,
                           const std::function<bool(unsigned gcc)> &release_has);
// Of "gcc-11".
Result<unsigned> parse_compiler(std::string_view text);
// "4:12.2.0-3" and "12.2.0-14" are 12; 0 when it is no version of a compiler.
unsigned major_version(std::string_view version);

// Has the root hold gcc and g++ of that version, under the names of the default compiler in a folder of their own; gives the folder as
// the root sees it.
Result<std::string> provide_gcc(const BuildRoot &root, unsigned major, const Say &say);

}  // namespace suture
