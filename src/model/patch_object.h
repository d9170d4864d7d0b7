// What goes into a patch, chosen and bound, but not laid out: pieces of code and data from the post objects, whose edges
// lead to other pieces, to addresses of the base image, or to imports. diff/ makes it, link/ turns it into a HotImage.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "model/address.h"
#include "model/hot_image.h"

namespace suture {

struct PatchEdge {
  enum class To : uint8_t { piece, base, import, constant };
  uint64_t offset = 0;
  uint8_t field_bytes = 4;    // 4 or 8
  bool pc_relative = false;   // field = target + addend - place of the field
  bool sign_extended = false; // of a 4-byte absolute field
  To to = To::piece;
  uint32_t piece = 0;
  uint64_t base = 0;          // link address in the base; for To::constant the value itself
  uint32_t import = 0;
  int64_t addend = 0;
};

struct PatchPiece {
  enum class Kind : uint8_t { code, rodata, lsda, data, bss };
  std::string name;
  Kind kind = Kind::code;
  uint64_t alignment = 1;
  Bytes bytes;
  uint64_t size_bytes = 0;  // > bytes.size() for bss
  std::vector<PatchEdge> edges;
  bool is_function = false;
  bool global = false;
};

// Unwind information of one code piece: its CIE and FDE as the compiler wrote them (length words included).
struct PatchUnwind {
  Bytes cie;
  std::vector<PatchEdge> cie_edges;
  Bytes fde;
  std::vector<PatchEdge> fde_edges;
};

struct PatchRedirect {
  Redirect redirect;       // all but `target`
  uint32_t piece = 0;
  uint64_t offset = 0;     // of the new function's entry in the piece
};

// What the author declared with suture/patch.h, by piece.
struct PatchHook {
  Hook::Kind kind = Hook::Kind::pre_apply;
  std::string name;
  uint32_t piece = 0;
  uint64_t offset = 0;
};
struct PatchAuthorCode {
  std::vector<PatchHook> hooks;
  uint32_t hook_runner = 0;  // where there are hooks
  uint32_t hook_counts = 0;
  std::optional<uint32_t> shadow_root;
};

struct PatchObject {
  std::vector<PatchPiece> pieces;
  std::vector<Import> imports;
  std::vector<PatchUnwind> unwind;
  std::vector<PatchRedirect> redirects;
  std::vector<Validation> validations;
  PatchAuthorCode author;
  std::optional<OwnUnwinder> unwinder;
};

}  // namespace suture
