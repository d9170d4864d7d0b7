// What of a process an observer could find changed by us: its map, its code, its descriptors, its signal state. Two
// snapshots that are equal are the proof of "nothing changed".
#pragma once

#include <sys/types.h>

#include <map>
#include <string>

namespace suture {

// By name, so that a difference is readable: "maps", "code", "descriptors", "signals", "threads".
using Snapshot = std::map<std::string, std::string>;
Snapshot take_snapshot(pid_t pid);

}  // namespace suture
