// Which of the noted calls of make and ninja can be made again to bring a built tree to a fix. Around them a package's
// rules configure, copy and clean; once a tree is built, none of that is needed, and much of it costs more than
// compiling the fix. Whether they did compile all that changed is found out afterwards (passed_over.h): nothing here
// has to be certain.
#pragma once

#include <filesystem>
#include <vector>

#include "build/record.h"

namespace suture {

// In their order. None when one of them takes away what was built, for then the rest does not follow from it. One that
// tried the compiler out and compiled nothing else was part of configuring. `seen` is the tree as the build saw it,
// `tree` where it is on this machine.
std::vector<StepRecord> steps_to_repeat(const Records &noted, const std::filesystem::path &seen,
                                        const std::filesystem::path &tree);

// The environment for it: without the job server of a make that has ended.
std::vector<std::string> environment_to_repeat(const StepRecord &step);

}  // namespace suture
