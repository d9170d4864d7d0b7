// Gates: small stubs in a patch's header page through which redirects go while more than one word has to change, or
// while callers are to wait. A gate reads the transaction's one gate word and goes to the old function (the displaced
// entry instructions, then the rest of it) or to the new one. While the word has kGateHold, callers of marked functions
// spin there, until a point in time (time stamp counter) at which the gate opens by itself: a tool that dies holding
// threads holds them for milliseconds. Their code is the instruction set's (arch.h, GateCode).
#pragma once

#include <vector>

#include "apply/record.h"
#include "arch/arch.h"

namespace suture {

struct GateRequest {
  RunAddr site;
  Bytes entry_code;  // bytes at the site, enough to hold whole instructions over the redirect
  RunAddr new_code;
  // When not empty, the new side is not at `new_code` but what these bytes at the site will do: a moved copy of them.
  Bytes landing_code = {};
};

struct Gate {
  RunRange stub;  // size 0: the entry's instructions cannot be moved, so there is no gate
  RunRange displaced;
  RunAddr hold_flag;
  RunRange landing;  // of a request with landing_code
};

struct GateBlock {
  Bytes bytes;  // flags, then code; starts at the address asked for
  RunRange hold_code;
  std::vector<Gate> gates;
};

// `at` is where the block goes (16-aligned), `head` the region's RecordHead.
Result<GateBlock> build_gates(const Arch &arch, RunAddr at, RunAddr head, const std::vector<GateRequest> &requests);

inline constexpr uint64_t kReturnAddressBytes = 8;

// Bytes that gate code has on the stack above the caller's return address at this PC; nullopt when the PC is in none
// of the record's gates, or already in displaced instructions.
std::optional<uint64_t> gate_stack_bytes(const GateCode &code, const Record &record, RunAddr pc);

// Index of the record's function whose gate's stub holds the address.
std::optional<size_t> function_of_gate(const Record &record, RunAddr at);

// Whether the code of a function branches back to its own entry: then a thread seen at the entry may be in
// mid-function.
bool branches_to(const Arch &arch, ByteView code, RunAddr at, RunAddr entry, RunAddr site);

}  // namespace suture
