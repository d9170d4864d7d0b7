// Understands a gcc or clang command line far enough to know what the invocation does: which step it stops at, which
// files it reads, where its outputs go. The command itself is always run with the words the caller gave; nothing here
// rewrites it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace suture {

// The last step the compiler driver performs.
enum class CcStep { none, preprocess, syntax_only, assembly, object, link };

enum class InputKind {
  source,     // compiled: C, C++, Objective-C, Fortran, ... and what they preprocess to
  assembler,  // .s .S: assembled only, function sections mean nothing to it
  header,     // becomes a precompiled header
  linked,     // object, archive, library, linker script: handed to the linker
};

struct CcInput {
  std::string path;  // as written; "-" is standard input
  InputKind kind = InputKind::linked;
};

struct CcCommand {
  CcStep step = CcStep::none;
  std::vector<CcInput> inputs;
  std::optional<std::string> output;
  // Dependency output: the caller asked for a file of make rules while compiling (-MD, -MMD, -Wp,-MD,...).
  bool writes_dependencies = false;
  bool skips_system_headers = false;  // -MMD: the rules leave out headers from system folders
  std::optional<std::string> dependency_file;
  bool lto = false;
  bool cc1 = false;  // clang -cc1: clang calling itself
  // Options whose further outputs or inputs the compile cache does not follow.
  bool uncacheable = false;
  bool stack_usage = false, split_dwarf = false, coverage_notes = false;

  std::vector<std::string> sources() const;
  // Where `-c` puts the object of its only source.
  std::string object_path() const;
  // Where -MD puts the make rules when the caller does not say.
  std::string dependency_path() const;
};

// Replaces each `@file` by the words in that file (gcc's quoting rules), up to a depth and count limit; an unreadable
// file stays as written, which is what gcc does.
std::vector<std::string> expand_response_files(const std::vector<std::string> &args);
// The words of a response file.
std::vector<std::string> split_response_text(std::string_view text);

// `args` are the words after the program's name, response files expanded.
CcCommand parse_cc_command(const std::vector<std::string> &args);

// True for what configure scripts compile to learn about the compiler: these must see it exactly as it is.
bool is_probe(std::string_view cwd, const CcCommand &command);

}  // namespace suture
