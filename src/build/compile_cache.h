// Gives back the object of an earlier compilation instead of compiling again, so that a build which begins by cleaning
// up (dpkg-buildpackage) still compiles only what the fix touches. An entry holds when the command, its folder, the
// compiler and the environment are the same and every file the compiler read has the content it had; nothing is guessed
// from times.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "build/cc_args.h"
#include "build/object_store.h"
#include "build/shim_config.h"

namespace suture {

struct CachedOutput {
  std::string path;     // as the command names it
  std::string content;  // in the store
  unsigned mode = 0644;
};

struct CachedCompile {
  struct Dependency {
    std::string path, content;
  };
  std::vector<Dependency> dependencies;
  std::vector<CachedOutput> outputs;  // the object first
  std::string diagnostics;            // what it wrote to standard error: repeated, as a build may look at it
};

// May this command's result be kept? One source, to an object file, with no option that reads or writes what we do not
// follow.
bool is_cacheable(const CcCommand &command);

class CompileCache {
 public:
  CompileCache(const ShimConfig &config, std::string key) : config_(config), key_(std::move(key)) {}

  // A kept result whose dependencies all still have their content.
  std::optional<CachedCompile> find() const;
  // Writes the outputs where the compiler would.
  Status restore(const CachedCompile &entry) const;
  // Keeps a result. `rule_file` holds the make rule the compiler wrote.
  Result<CachedCompile> keep(const CcCommand &command, const std::filesystem::path &rule_file,
                             std::string diagnostics) const;

 private:
  std::vector<CachedCompile> entries() const;
  bool holds(const CachedCompile &entry) const;

  const ShimConfig &config_;
  std::string key_;
};

std::string compile_key(const std::string &cwd, const std::string &tool, const std::vector<std::string> &args,
                        const CcCommand &command);

// The prerequisites of the first rule in a makefile as -MD writes it.
std::vector<std::string> parse_make_rule(std::string_view text);

}  // namespace suture
