// What the compiler wrapper notes down of each compilation and link, one JSON file per invocation so that parallel
// builds never wait for each other. The driver folds them after the build. Paths are absolute; contents are names in
// the store.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "build/link_inputs.h"

namespace suture {

struct CompileRecord {
  std::string cwd;
  std::string tool;               // the real compiler's path
  std::vector<std::string> args;  // as given by the build, response files expanded
  std::vector<std::string> sources;
  std::vector<std::string> dependencies;  // files of the tree that it read, where the compiler told
  std::string output;                     // empty when there is no single output
  std::string output_content;
  bool from_cache = false;
  bool lto = false;
  std::string step;  // that it was part of; empty: of none
};

enum class LinkKind { executable, shared, relocatable };

struct LinkRecord {
  std::string cwd;
  std::string tool;
  std::vector<std::string> args;
  LinkKind kind = LinkKind::executable;
  std::string output;
  std::string output_content;
  LinkInputs inputs;                   // objects and pulled-in archive members, in link order
  std::vector<std::string> libraries;  // shared libraries linked against
  bool lto = false;                    // some input holds compiler intermediate code instead of machine code
  bool members_known = true;           // false: no link map was to be had, all members of archives are listed
  int64_t order = 0;                   // later links have greater numbers
  std::string step;                    // as of a compilation
  bool spared = false;                 // it was not made: nothing uses the output (unused_outputs.h), which is as it was
};

// A call of make or ninja that was not made by another: what a build's own rules run to compile. Doing these again, where they were
// done, brings what they made up to date, without the steps around them.
struct StepRecord {
  std::string id;
  std::string cwd;
  std::string tool;
  std::vector<std::string> args;
  std::vector<std::string> environment;
  int64_t order = 0;
};

// Digits and dashes, of the time and this process.
std::string unique_record_id();

// Appends the record to the folder.
Status write_record(const std::filesystem::path &folder, const CompileRecord &record);
Status write_record(const std::filesystem::path &folder, const LinkRecord &record);
Status write_record(const std::filesystem::path &folder, const StepRecord &record);

// One record as it was written; corrupt when it is anything else.
Result<CompileRecord> parse_compile_record(std::string_view text);
Result<LinkRecord> parse_link_record(std::string_view text);
Result<StepRecord> parse_step_record(std::string_view text);

// How the file of a step's record ends, and that of the mark which says that a step tried the compiler out (configure does).
inline constexpr const char *kStepRecordEnd = ".step.json";
inline constexpr const char *kProbeMarkEnd = ".probe";
Status mark_probe(const std::filesystem::path &folder, const std::string &step);

struct Records {
  std::vector<CompileRecord> compiles;
  std::vector<LinkRecord> links;  // by order; those that were made
  std::vector<std::string> spared;       // outputs of those that were not
  std::vector<StepRecord> steps;  // by order
  std::set<std::string> probing;  // ids of steps
};
// All records of a folder (none when it does not exist), without the arguments of compilations and links: those are for people.
Result<Records> read_records(const std::filesystem::path &folder);
// The records of two folders as one's.
Records joined(Records some, Records more);

}  // namespace suture
