// Names of C++ as people write them: what the linker calls _ZN5Shape4areaEi is Shape::area(int). For text that people
// read; what programs read (JSON, names given back to us as --leave and --allow) keeps the linker's names.
#pragma once

#include <string>
#include <string_view>

namespace suture {

// "Shape::area(int)", and of a clone or a part "Shape::area(int) [.isra.0]"; what is no such name comes back as it is.
std::string readable_name(std::string_view name);

// The text with every such name in it made readable.
std::string with_readable_names(std::string_view text);

}  // namespace suture
