// All relocatable objects that one image is linked from, with global symbols resolved among them as the linker does, and
// every edge turned into a reference to a *place*: a thing that has an address of its own in the image.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "arch/arch.h"
#include "base/result.h"
#include "model/object_graph.h"

namespace suture {

// A thing whose address in the image is one unknown: a section (with -ffunction-sections and -fdata-sections one function
// or variable), one item of a section that holds many (merged strings and constants, anonymous constants), a common symbol,
// or a symbol that no object defines.
struct Place {
  enum class Kind : uint8_t { section, item, named };
  Kind kind = Kind::section;
  uint32_t object = 0;
  uint32_t section = 0;
  uint64_t item = 0;  // offset of the item in its section
  uint32_t name = 0;  // index into the program's names, for Kind::named
  auto operator<=>(const Place &) const = default;
};

// How a reference reaches its place; each has a value of its own in the image (the address itself, the address of a GOT
// slot, ...), found independently of the others.
enum class Access : uint8_t { address, plt, got, tls_gd, tls_ld, tls_dtp, tls_ie, tls_tp, tls_desc, marker, unsupported };
Access access_of(EdgeKind kind);
std::string_view name_of(Access access);
// The field holds value + addend - place of the field, rather than value + addend.
bool is_pc_relative(EdgeKind kind);

struct Reference {
  Place place;
  Access access = Access::address;
  // What the field adds to the place's value. For code, distances from the field to the end of its instruction are taken
  // out, so that two references to one byte have one `offset` whatever the instruction.
  int64_t offset = 0;
};

class Program {
 public:
  // Name index of the module's own TLS block (local-dynamic access).
  static constexpr uint32_t kModuleTls = UINT32_MAX;

  // Objects in link order. The first strong definition of a name wins, else the first weak or COMDAT one.
  static Program make(std::vector<std::shared_ptr<const ObjectGraph>> objects);

  uint32_t object_count() const { return static_cast<uint32_t>(objects_.size()); }
  const ObjectGraph &object(uint32_t index) const { return *objects_[index]; }
  const ObjectSection &section(const Place &place) const { return objects_[place.object]->sections[place.section]; }
  const std::string &name(uint32_t index) const { return names_[index]; }
  std::optional<uint32_t> name_index(const std::string &name) const;

  // The reference that `edge` of an object makes. `instruction_tail` is the number of bytes from the edge's field to the
  // end of its instruction (0 for data).
  Reference reference(uint32_t object, const Edge &edge, uint32_t instruction_tail) const;
  struct Definition {
    uint32_t object = 0;
    uint32_t symbol = 0;
  };
  // Where a global name is defined among the objects.
  std::optional<Definition> definition(const std::string &name) const;
  struct DefinedAt {
    Place section;        // as the linker keeps it
    uint64_t offset = 0;  // in it
  };
  // The same by where it is; nothing where no object defines the name, or in no section.
  std::optional<DefinedAt> defined_at(const std::string &name) const;
  // The IFUNC that a named place stands for: its address is that of a stub, which jumps to what its resolver chose. The
  // resolver, which is what its symbol marks, is another function.
  std::optional<Definition> ifunc(uint32_t name) const;
  // The place of an (object, section) as the linker keeps it: for a COMDAT section the winner's.
  Place section_place(uint32_t object, uint32_t section) const;
  // The section, as the linker keeps it, that a place is or stands for: of a name, that of its definition. Nothing for an
  // item, and where no object defines the name.
  std::optional<Place> section_of(const Place &place) const;
  // The first function that a section holds; null when it holds none.
  const ObjectSymbol *first_function(const Place &place) const;
  // Name of the symbol at the start of a section, or of its first function; the section's own name when there is none.
  std::string describe(const Place &place) const;
  // The symbols that lie in a section.
  const std::vector<uint32_t> &symbols_in(uint32_t object, uint32_t section) const { return by_section_[object][section]; }

 private:
  uint32_t intern(const std::string &name);
  Place symbol_place(uint32_t object, uint32_t symbol, int64_t &value) const;

  std::vector<std::shared_ptr<const ObjectGraph>> objects_;
  std::vector<std::vector<std::vector<uint32_t>>> by_section_;
  std::unordered_map<std::string, Definition> definitions_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, uint32_t> name_index_;
  std::unordered_map<uint32_t, Definition> ifuncs_;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> local_ifuncs_;  // (object, symbol) -> name
};

// True for sections whose items have addresses of their own: merged strings and constants, and the anonymous read-only
// sections into which the compiler puts unnamed constants.
bool holds_items(const ObjectSection &section);

// The NUL-terminated string at an offset of a strings section, NUL included; the constant of entry_bytes; or for an
// anonymous section the rest of it.
ByteView item_bytes(const ObjectSection &section, uint64_t offset);

}  // namespace suture
