#include "base/demangle.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

TEST(ReadableName, IsWhatTheSourceSays) {
  EXPECT_EQ(readable_name("_ZNK5Shape4areaEi"), "Shape::area(int) const");
  EXPECT_EQ(readable_name("_ZTV5Shape"), "vtable for Shape");
}

TEST(ReadableName, TellsClonesAndPartsOfAFunctionApart) {
  EXPECT_EQ(readable_name("_Z3addi.isra.0.cold"), "add(int) [.isra.0.cold]");
}

TEST(ReadableName, OfWhatIsNotMangledIsTheNameItself) {
  for (const char *name : {"", "main", "_Z", "_Zonk", "_ZN5ShapeE!", "foo.part.0"})
    EXPECT_EQ(readable_name(name), name);
}

TEST(ReadableName, OfANameThatIsTooLongIsTheNameItself) {
  const std::string name = "_Z1f" + std::string(100000, 'P') + "i";
  EXPECT_EQ(readable_name(name), name);
}

TEST(GivenName, IsTheLinkersOrTheReadableOneWithOrWithoutTheNumberOfLinkTimeOptimisation) {
  for (const char *given : {"_ZN5Shape4areaEi", "Shape::area(int)"}) {
    EXPECT_TRUE(names_it(given, "_ZN5Shape4areaEi"));
    EXPECT_TRUE(names_it(given, "_ZN5Shape4areaEi.llvm.1234567890"));
    EXPECT_FALSE(names_it(given, "_ZN5Shape4areaEl"));
  }
  EXPECT_TRUE(names_it("parse", "parse.llvm.77"));
  EXPECT_TRUE(names_it("parse.llvm.77", "parse.llvm.77"));
  EXPECT_FALSE(names_it("parse", "parse.part.0"));
  EXPECT_FALSE(names_it("Shape::area", "_ZN5Shape4areaEi"));  // which of its overloads?
  EXPECT_FALSE(names_it("", ""));
}

TEST(TextWithReadableNames, KeepsWhatIsAroundThem) {
  EXPECT_EQ(with_readable_names("function _Z3addi (a.o) refers to .text._Z3subi instead of _Z3addi.cold."),
            "function add(int) (a.o) refers to .text.sub(int) instead of add(int) [.cold].");
  EXPECT_EQ(with_readable_names("my_Z3addi stays"), "my_Z3addi stays");
  EXPECT_EQ(with_readable_names(""), "");
}

}  // namespace
}  // namespace suture
