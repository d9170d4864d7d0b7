#include "build/build_inputs.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

TEST(BuildInputs, AreWhatConfiguresAndGenerates) {
  for (const char *path : {"auto/modules", "configure.ac", "Makefile.am", "src/CMakeLists.txt", "meson.build", "src/gen.py", "parser.y", "m4/x.m4", "VERSION",
                           "debian/rules", "debian/flags.mk", "src/symbols.map", "gio/org.x.xml"})
    EXPECT_TRUE(may_steer_build(path)) << path;
}

TEST(BuildInputs, AreNotWhatCompilersAndPeopleRead) {
  for (const char *path : {"src/a.c", "include/b.h", "lib/x.S", "debian/changelog", "debian/patches/series", "debian/patches/fix.py", ".pc/applied-patches",
                           "README.md", "NEWS", "doc/guide.xml", "man/tool.1", "tests/run.sh", "src/tests/meson.build", "notes.txt", "po/de.po"})
    EXPECT_FALSE(may_steer_build(path)) << path;
}

}  // namespace
}  // namespace suture
