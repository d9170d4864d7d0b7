// Parsing where a mistake of the parser gains nothing: in a child process that has given up its identity, its
// descriptors and, by a seccomp filter, every system call but those for its own memory and one pipe. The child parses
// and sends back the result in a form too plain to be attacked (flat.h); the parent reads that, with the same limits
// and rules.
#pragma once

#include <functional>

#include "package/format.h"

namespace suture {

Result<Package> parse_contained(ByteView payload, Blobs wanted);

// The containment alone: runs `work` in such a child and returns the bytes that it returned, at most `limit_bytes`.
// A child that is killed (by the filter, a limit, a crash) is Verdict::corrupt: its input did that. For tests, too.
Result<Bytes> run_contained(const std::function<Bytes()> &work, uint64_t limit_bytes);

}  // namespace suture
