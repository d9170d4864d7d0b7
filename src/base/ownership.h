// Whether what a file says can be relied on by a program that runs as root: only those who could change the program
// itself may write it.
#pragma once

#include <sys/stat.h>

#include "base/result.h"

namespace suture {

// Refuses what belongs to somebody other than root and the caller, or may be written by group or others.
Status check_only_owner_writes(const struct stat &info);

}  // namespace suture
