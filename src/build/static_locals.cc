#include "build/static_locals.h"

#include <dwarf.h>

#include <algorithm>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/file.h"
#include "build/dwarf_object.h"
#include "package/contained.h"

namespace suture {

namespace {

constexpr uint64_t kMaxOwnersBytes = uint64_t{16} << 20;
constexpr uint64_t kMaxReadBytes = uint64_t{1} << 30;
constexpr unsigned kMaxScopeDepth = 200;

// Constants are numbered like variables.
bool may_be_static_local(const ObjectSection &section) {
  return section.is_variable() || section.is_constant();
}

bool has_numbered_data(const ObjectGraph &graph) {
  return std::any_of(graph.symbols.begin(), graph.symbols.end(), [&](const ObjectSymbol &symbol) {
    const size_t dot = symbol.name.rfind('.');
    return dot != std::string::npos && dot + 1 < symbol.name.size() && symbol.name.find_first_not_of("0123456789", dot + 1) == std::string::npos &&
           symbol.in_section() && may_be_static_local(graph.sections[symbol.section]);
  });
}

// In the contained process. The answer: for each static local the number of its section, and its function's name.
class StaticLocals {
 public:
  Bytes list(const dwarf::Object &object) {
    for (const Dwarf_Die &unit : object.units()) walk(unit, "", 0);
    return std::move(out_).take();
  }

 private:
  void walk(Dwarf_Die scope, std::string_view function, unsigned depth) {
    if (depth > kMaxScopeDepth) return;
    for (auto child = dwarf::first_child(scope); child; child = dwarf::sibling(*child)) {
      const int tag = ::dwarf_tag(&*child);
      if (tag == DW_TAG_variable && !function.empty()) add(*child, function);
      // A copy that was inlined is of the function that it is a copy of.
      const bool named = tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
      walk(*child, named ? dwarf::linkage_name_of(*child) : function, depth + 1);
    }
  }

  void add(const Dwarf_Die &variable, std::string_view function) {
    const auto at = dwarf::address(variable);
    if (!at) return;
    out_.u32(at->section);
    // Of what the compiler made of a part (f._omp_fn.0): the function in the source, for these numbers move, too.
    out_.c_string(function.substr(0, function.find_first_of(std::string_view("\0.", 2))));
  }

  ByteWriter out_;
};

Bytes list_in(Bytes &bytes) {
  const auto object = dwarf::Object::open(bytes);
  return object ? StaticLocals().list(*object) : Bytes();
}

}  // namespace

Status find_owners(const std::filesystem::path &path, ObjectGraph &graph) {
  if (!has_numbered_data(graph)) return {};
  Bytes bytes = TRY(read_file(path, kMaxReadBytes));
  const auto answer = run_contained([&] { return list_in(bytes); }, kMaxOwnersBytes);
  if (!answer) return answer.error().verdict() == Verdict::failed ? Status(answer.error()) : Status();
  ByteReader in(*answer);
  std::vector<bool> shared(graph.sections.size());
  while (in.ok() && !in.at_end()) {
    const uint32_t section = in.u32();
    const std::string function(in.c_string());
    if (!in.ok() || section >= graph.sections.size() || !may_be_static_local(graph.sections[section])) continue;
    std::string &owner = graph.sections[section].owner;
    if (!owner.empty() && owner != function) shared[section] = true;
    owner = shared[section] ? std::string() : function;
  }
  return {};
}

}  // namespace suture
