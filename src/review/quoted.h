// A string constant as a C program would have it, for people.
#pragma once

#include <string>
#include <string_view>

namespace suture {

// In double quotes, line feeds and the like as escapes; what is beyond `most` letters becomes "...".
std::string quoted(std::string_view text, size_t most);

}  // namespace suture
