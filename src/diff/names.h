// Names as the compiler numbers them: foo.constprop.0, buf.12, foo.isra.0.cold, .text.unlikely.foo.part.3, and in C++
// the second lambda of f, _ZZ1fvENKUlvE0_clEv. The numbers move
// with unrelated edits, so twins are sought under the name with its numbers taken out, and told apart by content and use.
#pragma once

#include <string>
#include <string_view>

namespace suture {

// Every ".<digits>" component becomes ".#"; in mangled names the numbers of closures, unnamed types and local entities go.
std::string without_numbers(std::string_view name);

// Of two names that differ by numbers: x.9 stands before x.10.
bool is_numbered_before(std::string_view a, std::string_view b);

// A part that the compiler split off a function and that is entered and left by jumps (foo.cold), not a function.
bool is_part_name(std::string_view name);

// A word that leads to a personality routine (DW.ref.__gxx_personality_v0), as gcc and clang call them. Any is as good as another.
bool is_personality_pointer(std::string_view name);

}  // namespace suture
