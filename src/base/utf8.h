// Well-formed UTF-8 and control characters, for texts from outside that are to be printed.
#pragma once

#include <cstddef>
#include <string_view>

namespace suture {

// Bytes of the UTF-8 sequence at the start of a text that is not empty, if it is well-formed, shortest and no
// surrogate; 0 otherwise.
size_t utf8_sequence_bytes(std::string_view text);

// C0, DEL, and C1 (which some terminals obey in UTF-8 form too).
bool is_control_sequence(std::string_view sequence);

}  // namespace suture
