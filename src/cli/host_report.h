// What install and uninstall print, and their exit status.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "cli/context.h"
#include "host/install.h"

namespace suture::cli {

// `done`: the word for a process that is as asked, "patched" or "reverted".
int report_host(const HostReport &report, const Context &context, std::string_view done);

nlohmann::json to_json(const PatchOutcome &process);

// For people, a line a process: those that are as asked on standard output, the others on standard error. Returns the exit
// status for all.
int report_processes(const std::vector<PatchOutcome> &processes, const std::string &patch_id, const Context &context,
                     const std::function<std::string(const PatchOutcome &)> &sentence);

// 0 all is as asked, 3 all refused, 1 all failed, 4 some of each, 5 something is damaged.
int exit_status_of(size_t good, const std::vector<const PatchOutcome *> &bad, size_t bad_files);

}  // namespace suture::cli
