// Runs a program with a folder as its root, in namespaces of its own: mounts, processes, IPC, and network where it is off. All
// mounts are made inside the namespace, so nothing of them is ever seen outside, and they are gone with the last process in it,
// however that ended; when we end, even by SIGKILL, all of it ends. Build scripts run as a user whom the machine does not have, and
// cannot gain privileges; only maintainer scripts of the distribution run as root in there.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <vector>

#include "base/result.h"
#include "build/subprocess.h"

namespace suture {

struct PrivateRoot {
  enum class Network { off, on };
  std::filesystem::path folder;  // "/": no other root, only the namespaces
  // Folders that the program sees at the same path as we do.
  std::vector<std::filesystem::path> shared = {};
  Network network = Network::off;
  std::optional<uid_t> user = std::nullopt;  // and group of the same number; none: root
};

// Refuses when this machine or user does not allow it, saying what is missing.
Status check_private_roots();

// As run_process(), but in the root; `request.folder` is a path in it, the files for redirection are paths outside.
Result<ProcessOutcome> run_in_private_root(const PrivateRoot &root, const ProcessRequest &request);

}  // namespace suture
