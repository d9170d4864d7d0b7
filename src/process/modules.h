// What is loaded in a process, told from its memory alone: ELF headers, build-id notes, dynamic sections and the
// loader's list as they are mapped. No file named by the target is opened (a container's paths are not ours, files may
// have been replaced). Everything read is hostile: counts and sizes are limited, addresses are checked against the map.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "elf/cold_note.h"
#include "model/image_id.h"
#include "process/process.h"

namespace suture {

struct LoadedSegment {
  LinkRange range;
  bool executable = false;
  bool writable = false;
};

struct Module {
  RunAddr base;  // where the ELF header is
  LoadBias bias;
  RunRange span;  // lowest to highest mapped address, whole pages
  ImageId id;
  std::string name;  // as in the map; for people
  std::vector<LoadedSegment> segments;
  std::optional<RunRange> eh_frame_hdr;
  std::optional<RunRange> dynamic;
  bool fixed = false;  // ET_EXEC
  std::vector<ColdPatchRecord> cold_patches;  // patches that were in the file already (coldpatch)
  RunRange run_range(const LoadedSegment &segment) const {
    return {bias.to_run(segment.range.begin), segment.range.size_bytes};
  }
};

inline constexpr size_t kMaxModules = 8192;

// Every ELF image found at the start of a mapping, in address order. Refused when the process is not 64-bit x86.
Result<std::vector<Module>> find_modules(const Process &process, const Maps &maps);
// The module whose span holds the address.
const Module *module_at(const std::vector<Module> &modules, RunAddr at);

// State of the dynamic loader.
struct LoaderView {
  RunAddr r_debug;
  std::vector<RunAddr> dynamic_sections;  // l_ld of each entry, in search order
};
// nullopt for static programs.
Result<std::optional<LoaderView>> find_loader(const Process &process, const std::vector<Module> &modules);
// Where the loader says what it is doing (struct r_debug's r_state), and whether that is nothing: dlopen and dlclose
// change the list of modules.
RunAddr loader_state_at(RunAddr r_debug);
bool loader_is_consistent(uint32_t state);

}  // namespace suture
