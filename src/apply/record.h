// What Suture writes into a process about a patch, so that any later run can show it, finish it or take it back, also
// after a crash: a header page in front of the patch's code, found again through the memory map by name, magic and
// checksum (docs/apply.md has the layout). A target can forge one; then it only harms itself, so everything read is
// bounded and leads to writes in that same target only.
//
// A transaction is all that one package changes in one process: one unit per mapped copy of an image, each with its own
// region. Exactly one gate word counts, that of the first unit. Bit 0 of it says which version the gates lead to:
// storing it is the commit.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "model/hot_image.h"
#include "process/process.h"

namespace suture {

inline constexpr uint64_t kRecordMagic = 0x3152455255545553;  // "SUTURER1"
inline constexpr size_t kMaxRecordBytes = 1 << 20;
inline constexpr size_t kMaxRecordFunctions = 4096;
inline constexpr size_t kMaxRecordParts = 64;
inline constexpr size_t kMaxRecordHooks = 64;
inline constexpr size_t kRedirectBytes = 5;
inline constexpr std::string_view kNamePrefix = "suture:";

// Fixed fields at the start of a region.
struct RecordHead {
  uint64_t magic = kRecordMagic;
  uint32_t version = 1;
  uint32_t body_bytes = 0;
  uint64_t gate = 0;          // first unit only
  uint64_t hold_until = 0;    // time stamp counter; behind gate, code relies on it
  uint64_t gate_address = 0;  // of the first unit's gate
  uint64_t state = 0;         // RecordState; never decides between old and new by itself
  uint64_t checksum = 0;      // of the body
  uint64_t flags = 0;         // kFlag...
};
static_assert(sizeof(RecordHead) == 64);
inline constexpr uint64_t kGateOffset = 16;
inline constexpr uint64_t kHoldUntilOffset = 24;
inline constexpr uint64_t kGateAddressOffset = 32;
inline constexpr uint64_t kStateOffset = 40;
inline constexpr uint64_t kFlagsOffset = 56;

// The process may read the time stamp counter, which waiting gates do.
inline constexpr uint64_t kFlagTscIsReadable = 1;
// Reverted, and the memory kept on purpose: something may still point into it.
inline constexpr uint64_t kFlagKept = 2;

enum class RecordState : uint64_t {
  loaded = 1,  // in memory, on its way to applied
  applied = 2,
  reverting = 3,
  reverted = 4,  // no redirect leads here; memory kept because something may still point into it
};

inline constexpr uint64_t kGateOld = 0;
inline constexpr uint64_t kGateNew = 1;
inline constexpr uint64_t kGateHold = 2;  // bit: callers wait at the gate until hold_until, then go by bit 0

struct RecordFunction {
  std::string name;
  RunAddr old_entry;
  RunAddr site;
  std::array<uint8_t, kRedirectBytes> old_bytes{};     // the journal
  std::array<uint8_t, kRedirectBytes> direct_bytes{};  // jump to the new code
  std::array<uint8_t, kRedirectBytes> gate_bytes{};    // jump to the gate; all zero: it has none
  bool loops_to_entry = false;                         // its own code branches back to the entry
  RunRange new_code;
  RunRange gate;       // stub
  RunRange displaced;  // copy of the overwritten instructions, part of the stub
  RunAddr hold_flag;   // byte: nonzero means that kGateHold concerns this function
  std::vector<RunRange> old_parts;
  bool has_gate() const { return gate.size_bytes != 0; }
};

// What is kept in the patch's data for an unwinder that knows its code.
struct UnwindObject {
  std::array<uint64_t, 6> libgcc{};  // its `struct object`: filled as the first thing when the code is registered, and not cleared by it
  uint64_t forgetting = 0;           // not 0: libgcc is about to be told to forget the code; told twice, it aborts
  uint64_t unused = 0;
};
static_assert(sizeof(UnwindObject) == 64);

struct RecordHook {
  Hook::Kind kind = Hook::Kind::pre_apply;
  RunAddr function;
  std::string name;
};

struct Record {
  std::string patch_id;
  uint64_t sequence = 1;
  std::vector<std::string> supersedes;
  std::array<uint8_t, 16> transaction{};
  uint32_t unit = 0;
  uint32_t unit_count = 1;
  uint64_t order = 0;       // later patches of a process have higher numbers
  uint64_t applied_at = 0;  // seconds since 1970
  RunRange code;            // whole region that may be executed, this header included
  RunRange data;            // writable part behind it; size 0: none
  RunAddr image;            // patch offset 0
  RunRange eh_frame;        // size 0: none
  RunAddr unwind_object;    // libgcc's bookkeeping of the registered eh_frame; 0: not registered
  RunRange hold_code;       // the waiting loop that the gates share
  std::string base_path;
  ImageId base_id;
  RunAddr base;  // where the image's ELF header is mapped
  LoadBias base_bias;
  std::vector<RecordFunction> functions;
  // Author code (include/suture/patch.h); addresses of 0: there is none.
  std::vector<RecordHook> hooks;
  RunAddr hook_runner;
  RunAddr hook_counts;  // kHookCountBytes for each kind, kept by the runner
  RunRange shadow;      // the table of shadow data; shared by the patches of this copy of the image
  // The eh_frame's entry in the image's own unwinder (OwnUnwinder); addresses of 0: it has none.
  struct OwnUnwind {
    RunAddr object;
    RunAddr remove;
  } own_unwind;
  Lineage lineage() const { return {patch_id, sequence, supersedes}; }
  // What something in the process may lead to: all of `code` but the record itself, which only this tool reads. Memory of others
  // may end where the region begins, and who keeps the end of a block has the address of the record's first byte.
  RunRange reachable_code() const {
    const RunAddr begin = code.contains(hold_code.begin) ? hold_code.begin : code.begin;
    return {begin, code.end() - begin};
  }
};

// A record as found: body and the words that change.
struct FoundRecord {
  Record record;
  RecordHead head;
};

Bytes encode_record_body(const Record &record);
std::optional<Record> decode_record_body(ByteView bytes);
uint64_t record_checksum(ByteView body);

// Every valid record of the process, ascending by order then unit.
Result<std::vector<FoundRecord>> find_records(const Process &process, const Maps &maps);
// Regions named as ours without a valid record: left by a run that died before writing it.
std::vector<RunRange> find_orphans(const Maps &maps, const std::vector<FoundRecord> &records);

}  // namespace suture
