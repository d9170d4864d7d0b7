#include "diff/names.h"

#include <algorithm>

namespace suture {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

size_t behind_digits(std::string_view name, size_t at) {
  while (at < name.size() && is_digit(name[at])) ++at;
  return at;
}

std::string without_dotted_numbers(std::string_view name) {
  std::string out;
  size_t at = 0;
  while (at < name.size()) {
    const size_t dot = name.find('.', at);
    if (dot == std::string_view::npos) break;
    const size_t end = std::min(name.find('.', dot + 1), name.size());
    out += name.substr(at, dot + 1 - at);
    const std::string_view component = name.substr(dot + 1, end - dot - 1);
    // What link-time optimisation made visible to its other partitions, this time: foo.lto_priv.0 is foo.
    if (component == "lto_priv") {
      out.pop_back();
      at = std::min(name.find('.', std::min(end + 1, name.size())), name.size());
      continue;
    }
    const bool number = !component.empty() && std::all_of(component.begin(), component.end(), is_digit);
    if (number) out += '#';
    else out += component;
    at = end;
  }
  out += name.substr(at);
  return out;
}

// "foo_1" and "foo__12_" as "foo".
void drop_discriminator(std::string &name) {
  size_t end = name.size();
  while (end > 0 && (is_digit(name[end - 1]) || name[end - 1] == '_')) --end;
  const bool numbered = end < name.size() && name[end] == '_' && name.find_first_of("0123456789", end) != std::string::npos;
  if (numbered) name.resize(end);
}

// Closure types and other unnamed ones are numbered in the order of the source (Itanium C++ ABI 5.1.8: Ul...E0_, Ut0_; clang
// for those of internal linkage: $_0), and so are local entities of one name in one function (5.1.6).
std::string without_mangled_numbers(std::string_view name) {
  std::string out;
  for (size_t at = 0; at < name.size();) {
    const std::string_view rest = name.substr(at);
    const std::string_view mark = rest.starts_with("$_") || rest.starts_with("Ut") ? rest.substr(0, 2) : rest.substr(0, 1);
    out += mark;
    at += mark.size();
    const size_t end = behind_digits(name, at);
    // "E10_M_invoke" is a name of ten letters and not the eleventh closure; as a key that makes no difference.
    const bool numbered = mark == "$_" || ((mark == "E" || mark == "Ut") && end < name.size() && name[end] == '_');
    if (numbered) at = end;
  }
  if (name.find("_ZZ") != std::string_view::npos || name.find("_ZGVZ") != std::string_view::npos) drop_discriminator(out);
  return out;
}

}  // namespace

std::string without_numbers(std::string_view name) {
  const bool mangled = name.find("_Z") != std::string_view::npos;
  return without_dotted_numbers(mangled ? without_mangled_numbers(name) : std::string(name));
}

bool is_numbered_before(std::string_view a, std::string_view b) {
  size_t i = 0;
  size_t k = 0;
  while (i < a.size() && k < b.size()) {
    const size_t a_end = behind_digits(a, i);
    const size_t b_end = behind_digits(b, k);
    if (a_end == i || b_end == k) {
      if (a[i] != b[k]) return a[i] < b[k];
      ++i;
      ++k;
      continue;
    }
    // Compilers write no leading zeros: the longer number is the greater one.
    if (a_end - i != b_end - k) return a_end - i < b_end - k;
    if (const int order = a.substr(i, a_end - i).compare(b.substr(k, b_end - k)); order != 0) return order < 0;
    i = a_end;
    k = b_end;
  }
  return a.size() - i < b.size() - k;
}

bool is_part_name(std::string_view name) { return name.find(".cold") != std::string_view::npos; }

bool is_personality_pointer(std::string_view name) {
  return name.starts_with("DW.ref.");
}

}  // namespace suture
