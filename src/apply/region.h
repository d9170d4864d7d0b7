// The memory of one unit: header page with record and gates, then the hot image's segments, linked to run at one place
// within branch range of the whole base image. Planning and linking are pure; nothing here touches the target but by
// reading.
#pragma once

#include <vector>

#include "apply/record.h"
#include "arch/arch.h"
#include "process/modules.h"
#include "process/symbols.h"

namespace suture {

// A function that an earlier, superseded patch replaced and this one does not: it goes back to what was there before.
struct Restore {
  std::string name;
  RunAddr old_entry;
  RunAddr site;
  std::array<uint8_t, kRedirectBytes> bytes{};  // what is to be at the site: the base's, or an older patch's jump
  std::array<uint8_t, kRedirectBytes> now{};    // what is there
  std::vector<RunRange> left;                   // code of the superseded patches, which must be left
};

// One hot image against one mapped copy of its base.
struct Unit {
  const HotImage *hot = nullptr;
  Module module;
  Record record;
  std::vector<Restore> restores;
  std::vector<std::vector<RunRange>> covered;  // beside hot->redirects: code that earlier patches put in the function's place
  Bytes code;  // the finished bytes of record.code
  Bytes data;  // of record.data
  bool makes_shadow_table = false;  // record.shadow is to be mapped, right behind the data
  RunAddr gate_address;
};

struct LinkContext {
  const Process &process;
  const std::vector<Module> &modules;
  const std::optional<LoaderView> &loader;
  bool register_unwind = false;  // room for libgcc's object is needed
  const std::vector<FoundRecord> &records;
};

// Chooses the place. `taken` are regions already chosen that are not in the map yet.
Status place_unit(Unit &unit, const Maps &maps, const std::vector<RunRange> &taken, const LinkContext &context);
// Fills record.functions (journal, jumps, gates) and builds the bytes. `record.order`, ids and the gate address are
// set.
Status link_unit(Unit &unit, const Arch &arch, const LinkContext &context);

// Page-rounded.
uint64_t round_to_pages(uint64_t bytes);

}  // namespace suture
