// The linked patch for one base image, before it has an address: what build writes into a `.hp.` file, what apply maps
// into a process and what the coldpatch writer appends to the old binary. Format-neutral.
//
// Patch link space starts at 0. Every field that depends on where the base or the patch is loaded is listed as a Fixup.
// The bytes already hold the value for "base bias = patch bias = 0", so a fixup only adds a difference:
//   base_rel32    *(u32*)at += base_bias - patch_bias      field = target - place (mod 2^32); used for code -> base image
//   base_abs64    *(u64*)at += base_bias                   pointer into the base image
//   self_abs64    *(u64*)at += patch_bias                  pointer into the patch
//   self_abs32    *(u32*)at += patch_bias                  non-PIC code; result must stay below 2^31
//   import_abs64  *(u64*)at += address of imports[index]   the field holds the addend
// With the whole patch within 2 GiB of the whole base, every base_rel32 fits: one check instead of one per field.
// Not covered by anything here: where a header of the applier lives, how gates work (apply/).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "model/address.h"
#include "model/arch_id.h"
#include "model/image_id.h"
#include "model/lineage.h"

namespace suture {

// An offset in patch link space.
using PatchOffset = Address<struct PatchOffsetTag>;

struct HotSegment {
  PatchOffset address;        // the first segment starts at 0 (with the ELF header of the .hp file in it); each starts on
                              // a page of its own, congruent to its file offset modulo 4096
  uint64_t memory_bytes = 0;  // >= bytes.size(); the rest is zero
  Bytes bytes;
  bool writable = false;
  bool executable = false;
};

// A named part of a segment, for section headers in the .hp file (".text", ".rodata", ".eh_frame", ".data", ".bss").
struct HotSection {
  std::string name;
  PatchOffset address;
  uint64_t size_bytes = 0;
  uint64_t alignment = 1;
  bool writable = false;
  bool executable = false;
  bool no_bits = false;
};

struct Fixup {
  enum class Kind : uint8_t { base_rel32 = 0, base_abs64 = 1, self_abs64 = 2, self_abs32 = 3, import_abs64 = 4 };
  Kind kind = Kind::base_rel32;
  PatchOffset at;
  uint32_t import = 0;  // for import_abs64
  auto operator<=>(const Fixup &) const = default;
};

// A symbol that the base image does not import itself, looked up by name when the patch is applied.
struct Import {
  std::string name;
  std::string version;  // empty: the default version
  bool weak = false;    // a missing weak import resolves to 0
  auto operator<=>(const Import &) const = default;
};

// Bytes of the base image that must be there, or nothing is touched.
struct Validation {
  LinkRange range;
  Bytes expected;   // either the bytes themselves ...
  Bytes mask;       // ... under this mask (1 bits must agree; same size as expected, or empty = all)
  Digest digest{};  // ... or, where `expected` is empty, the SHA-256 of the whole range
};

// A replaced function.
struct Redirect {
  std::string name;
  LinkAddr old_entry;                // where callers enter
  LinkAddr site;                     // where the jump is written: old_entry, or behind its endbr64
  uint32_t room_bytes = 0;           // bytes from `site` that may be overwritten: inside the function or padding behind it,
                                     // and not a target of any branch other than `site` itself
  std::vector<LinkRange> old_parts;  // every range of old code that the function consists of (entry part, .cold part)
  PatchOffset target;                // new function's entry in the patch
  uint64_t new_size_bytes = 0;
};

struct HotSymbol {
  std::string name;
  PatchOffset address;
  uint64_t size_bytes = 0;
  bool function = false;
  bool global = false;
};

// Code of the patch's author that runs in the target (include/suture/patch.h), and what it shares with the applier. A
// place of 0 (the file's header) means that there is none.
struct Hook {
  enum class Kind : uint8_t { pre_apply = 0, post_apply = 1, pre_revert = 2, post_revert = 3 };
  Kind kind = Kind::pre_apply;
  PatchOffset function;  // int (*)(void)
  std::string name;
  auto operator<=>(const Hook &) const = default;
};
inline constexpr size_t kHookKinds = 4;
std::string_view name_of(Hook::Kind kind);

struct AuthorCode {
  std::vector<Hook> hooks;  // those of one kind run in this order
  PatchOffset hook_runner;  // calls a hook and keeps count of it
  PatchOffset hook_counts;  // kHookCountBytes for each kind, in writable data
  PatchOffset shadow_root;  // pointer to the table of shadow data, in writable data
  auto operator<=>(const AuthorCode &) const = default;
};
// struct suture_hook_count: hooks of a kind begun, hooks finished, first refusal, unused; 4 bytes each.
inline constexpr uint64_t kHookCountBytes = 16;

// A variable whose initial value changes, as a file must hold it. Live, a hook does it (diff/value_writer.h), so this is for
// the coldpatch only and not in a `.hp.` file.
struct InitialValue {
  std::string name;
  LinkAddr at;
  Bytes old_bytes;
  Bytes new_bytes;
  Bytes mask;  // 0xff where a byte counts, else 0; all three of one size
};

// The unwinder that an image has of its own because it was linked with one (-static, -static-libgcc). What is thrown in the image is
// looked up there and nowhere else. Both take the address of an .eh_frame first, as libgcc's do; the first also takes the
// unwinder's zeroed bookkeeping for it.
struct OwnUnwinder {
  LinkAddr add;     // __register_frame_info
  LinkAddr remove;  // __deregister_frame_info
};

struct HotImage {
  std::string patch_id;   // id of the package this belongs to
  uint64_t sequence = 1;                // of that package
  std::vector<std::string> supersedes;  // ids of patches whose fixes this one contains
  ArchId arch = ArchId::unknown;
  ImageId base_id;        // identity of the one image this applies to
  Digest base_digest{};   // SHA-256 of that file
  std::string base_path;  // where it was when built; informational
  LinkRange base_span;    // lowest to highest loaded address of the base
  bool base_fixed = false;

  std::vector<HotSegment> segments;  // text first; data second when there is any
  std::vector<HotSection> sections;
  std::vector<Fixup> fixups;         // ascending by (kind, at)
  std::vector<Import> imports;
  std::vector<Validation> validations;
  std::vector<Redirect> redirects;
  std::vector<HotSymbol> symbols;
  std::vector<InitialValue> initial_values;
  AuthorCode author;
  PatchOffset eh_frame;              // the patch's .eh_frame, ended by a zero word; size 0: none
  uint64_t eh_frame_bytes = 0;
  std::optional<OwnUnwinder> unwinder;  // of the base

  Lineage lineage() const { return {patch_id, sequence, supersedes}; }
  // Page-rounded bytes from offset 0 to the end of the last segment.
  uint64_t span_bytes() const;
};

// Room kept at the start of the text segment for the ELF header and the program headers of the .hp file.
inline constexpr uint64_t kHotHeaderBytes = 64 + 6 * 56;
inline constexpr uint64_t kPageBytes = 4096;

}  // namespace suture
