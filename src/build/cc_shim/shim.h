// The compiler wrapper `suture-cc`. It runs under the names of compilers and linkers, in a folder that the driver puts
// first in PATH. As a compiler it adds -ffunction-sections -fdata-sections to what is compiled to code, keeps a cache
// of results and notes down each compilation; as a linker (gcc and clang find it through COMPILER_PATH) it notes down
// what was linked and keeps a copy of each object; as make or ninja it notes down the call. It must be invisible otherwise: same output, same exit status, same
// files; whatever goes wrong in its own book-keeping, the real tool's result stands.
#pragma once

#include <string>
#include <vector>

#include "build/shim_config.h"

namespace suture {

// Added to what is compiled to code: one section per function and per variable is what the two builds are compared by.
inline constexpr const char *kSectionFlags[] = {"-ffunction-sections", "-fdata-sections"};

struct ShimCall {
  std::string name;               // the name we run under: "gcc", "x86_64-linux-gnu-ld"
  std::string tool;               // the real tool
  std::vector<std::string> args;  // as given
  ShimConfig config;
  std::filesystem::path shim_folder;
  std::vector<std::string> environment;
};

// Does not return where it hands over to the real tool for good.
int run_shim(int argc, char **argv);
int run_compiler(const ShimCall &call);
int run_linker(const ShimCall &call);
// Notes down a call of make or ninja, if no other one made it, and becomes the tool.
[[noreturn]] void run_build_tool(ShimCall call);

// Where our own folders are taken out of a COMPILER_PATH.
std::string without_our_folders(const std::string &compiler_path, const std::filesystem::path &shim_folder);

// Becomes the real tool.
[[noreturn]] void become_tool(const ShimCall &call);
// Runs the real tool with these words; its exit status, or our death by the same signal.
int run_tool(const ShimCall &call, const std::vector<std::string> &args, const std::vector<std::string> &environment,
             const std::string &stderr_file);

// Names under which the wrapper acts as a linker, as a compiler, as gcc's compiler proper.
bool is_linker_name(const std::string &name);
bool is_compiler_name(const std::string &name);
bool is_compiler_proper_name(const std::string &name);
bool is_build_tool_name(const std::string &name);
// Adds the section flags; reached only when a build calls gcc by its absolute path.
int run_compiler_proper(const ShimCall &call);

// The folder below the shim folder that COMPILER_PATH names during a build: gcc looks there for cc1 and ld first, so
// that a compiler called by its absolute path is met as well.
inline constexpr const char *kSubprogramFolder = "sub";

// Set while a compiler runs under the wrapper: its own calls of compilers go straight through, its call of the linker
// is noted.
inline constexpr const char *kActiveVariable = "SUTURE_CC_ACTIVE";
// The sources of a command that compiles and links in one go, by line: the linker is given temporary objects for them,
// in order.
inline constexpr const char *kSourcesVariable = "SUTURE_CC_SOURCES";

// Set below a call of make or ninja that was noted, to its id: what it calls is its own affair.
inline constexpr const char *kStepVariable = "SUTURE_STEP";
// Digits and dashes: it becomes the name of a file.
bool is_step_id(const std::string &text);

}  // namespace suture
