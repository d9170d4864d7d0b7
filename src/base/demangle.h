// Names of C++ as people write them: what the linker calls _ZN5Shape4areaEi is Shape::area(int). For text that people
// read; what programs read (JSON) keeps the linker's names. Names given back to us may be either (names_it).
#pragma once

#include <string>
#include <string_view>

namespace suture {

// "Shape::area(int)", and of a clone or a part "Shape::area(int) [.isra.0]"; what is no such name comes back as it is.
std::string readable_name(std::string_view name);

// Whether a name that a person gave means what the linker knows as `name`: by that name, as people write it, and without the number
// that clang's link-time optimisation puts behind what it made visible (foo.llvm.1234 is foo).
bool names_it(std::string_view given, std::string_view name);

// The text with every such name in it made readable.
std::string with_readable_names(std::string_view text);

}  // namespace suture
