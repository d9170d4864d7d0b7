// The dynamic linker's tables of a coldpatched file: relocations for the patch's pointers, symbols and versions for its
// imports. A table that must grow is copied and grown; the old copy stays where it is, unused. Knows nothing of where
// the copies will lie.
#pragma once

#include <elf.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/hot_image.h"
#include "model/image.h"

namespace suture {

enum class DynamicTable : uint8_t { symbols, strings, versions, needs, gnu_hash, hash, relocs };
inline constexpr size_t kDynamicTables = 7;

struct DynamicTableFacts {
  int64_t tag;  // DT_*
  uint32_t sh_type;
  uint64_t alignment;
  uint64_t entry_bytes;
  const char *section;
};
const DynamicTableFacts &facts_of(DynamicTable table);

// The base file's dynamic section.
class BaseDynamic {
 public:
  static Result<BaseDynamic> read(const Image &image);
  bool present() const { return !entries_.empty(); }
  std::optional<uint64_t> value(int64_t tag) const;
  // Sets a tag in `file`, a copy of the base file, in place; a tag that is not there takes one of the spare entries
  // that linkers leave at the end.
  Status set(int64_t tag, uint64_t value, Bytes &file);

 private:
  std::vector<Elf64_Dyn> entries_;  // with the spare ones
  size_t used_ = 0;                 // entries before the first DT_NULL
  uint64_t file_offset_ = 0;
};

struct FileWord {
  uint64_t offset = 0;
  uint64_t value = 0;
};

struct DynamicTables {
  std::array<Bytes, kDynamicTables> content;  // empty: the base's own stays in use
  uint64_t relative_count = 0;                // for DT_RELACOUNT
  uint64_t need_count = 0;                    // for DT_VERNEEDNUM
  std::vector<FileWord> edits;                // words of the base file to change (symbol numbers in PLT relocations)
  const Bytes &of(DynamicTable table) const { return content[static_cast<size_t>(table)]; }
  Bytes &of(DynamicTable table) { return content[static_cast<size_t>(table)]; }
};

// The tables for a patch that lies at `patch`. Sizes do not depend on `patch`.
Result<DynamicTables> extend_dynamic(const Image &base, const BaseDynamic &dynamic, const HotImage &hot,
                                     LinkAddr patch);

}  // namespace suture
