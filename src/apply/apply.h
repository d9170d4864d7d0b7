// Hot patching of running processes: the entry points. One call is one process; whatever happens, the process keeps
// running and holds the whole patch or none of it (docs/safety.md).
#pragma once

#include <string>
#include <vector>

#include "apply/target_memory.h"
#include "base/result.h"
#include "model/hot_image.h"

namespace suture {

struct ApplyOptions {
  uint64_t timeout_ms = 10000;
  bool dry_run = false;                   // everything up to the first change
  std::vector<std::string> requires_ids;  // patches that must be in the process before
  Naming naming = Naming::automatic;
};

struct ApplyReport {
  enum class Outcome { applied, already, reverted, would_apply };
  pid_t pid = 0;
  std::string comm;
  Outcome outcome = Outcome::applied;
  std::vector<std::string> functions;
  std::vector<std::string> superseded;  // ids of patches whose place it takes; reverting it brings them back
  uint64_t stop_us = 0;  // length of the final stop
  unsigned attempts = 0;
  std::string reason;  // anything the operator should know, also on success
};
std::string_view name_of(ApplyReport::Outcome outcome);

// Applies the hot images of one package, as one transaction, to every mapped copy of their bases.
Result<ApplyReport> apply_hot(const std::vector<const HotImage *> &images, pid_t pid, const ApplyOptions &options);
// Takes a patch back. Refused when it is not there, or when a later patch lies over it.
Result<ApplyReport> revert_hot(const std::string &patch_id, pid_t pid, const ApplyOptions &options);

struct AppliedFunction {
  std::string name;
  RunAddr old_entry;
  RunAddr new_entry;
};

// One unit of a patch as recorded in the process.
struct AppliedPatch {
  // in_file: the process was started from the coldpatched file.
  enum class State { applied, superseded, in_file, interrupted, reverted };
  std::string id;
  uint64_t sequence = 1;
  State state = State::applied;
  std::string superseded_by;  // id of the patch that took its place, for State::superseded
  uint64_t applied_at = 0;
  std::string base_path;
  ImageId base_id;
  RunAddr base;
  RunAddr memory;
  uint64_t mapped_bytes = 0;
  std::vector<AppliedFunction> functions;
};
std::string_view name_of(AppliedPatch::State state);

// What is recorded in the process, in the order it was applied. Only reads.
Result<std::vector<AppliedPatch>> read_applied(pid_t pid);

// Processes (visible in our /proc) that have an image with this id mapped for execution. Scans until a pass finds
// nobody new, so that children of a process seen early are not missed.
std::vector<pid_t> processes_mapping(const ImageId &id);
// Processes that have any record of ours.
std::vector<pid_t> processes_patched();

}  // namespace suture
