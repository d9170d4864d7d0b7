// A program compiled before and after a fix, and the "shipped" binary: the pre source built in the ordinary way (no function
// sections) and stripped. Made with the system's compilers in a temporary folder.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/cat.h"
#include "base/file.h"
#include "diff/make_patch.h"
#include "elf/read_image.h"
#include "elf/read_object.h"

namespace suture {

struct CommandResult {
  int status = -1;
  std::string output;
};

inline CommandResult run_shell(const std::string &command) {
  CommandResult result;
  FILE *pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[4096];
  for (size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) result.output.append(buffer, got);
  const int status = ::pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return result;
}

struct Toolchain {
  std::string compiler;
  std::string flags;  // for compiling and linking
};

// Everything the differ needs of one pair, kept alive together.
struct LoadedPair {
  Image shipped;
  Image unstripped;  // the same link with its symbols: the truth
  std::vector<bool> changed;
  std::vector<bool> counted;
  std::unique_ptr<Program> pre, post;
  std::unique_ptr<CodeCache> pre_code, post_code;
  std::unique_ptr<Twins> twins;
  std::unique_ptr<Comparison> comparison;
  std::unique_ptr<Solution> solution;

  DiffInput input() const {
    return {pre_code.get(), post_code.get(), twins.get(), comparison.get(), solution.get(), &shipped, nullptr, nullptr};
  }
};

// `sources`: names of files in `folder`; "*" at the start marks the one that has pre_ and post_ forms.
inline void build_pair(const std::string &folder, const std::vector<std::string> &sources, const Toolchain &tools, const std::string &work) {
  const auto compile = [&](const std::string &source, const std::string &object, const std::string &extra) {
    const CommandResult done = run_shell(cat(tools.compiler, " -g0 ", tools.flags, " ", extra, " -c -o ", work, "/", object, " ", folder, "/", source));
    ASSERT_EQ(done.status, 0) << done.output;
  };
  std::string ship;
  for (std::string source : sources) {
    const bool fixed = source[0] == '*';
    if (fixed) source.erase(0, 1);
    const std::string pre = (fixed ? "pre_" : "") + source;
    compile(pre, source + ".ship.o", "");
    compile(pre, source + ".pre.o", "-ffunction-sections -fdata-sections");
    if (fixed) compile("post_" + source, source + ".post.o", "-ffunction-sections -fdata-sections");
    ship += cat(" ", work, "/", source, ".ship.o");
  }
  const CommandResult linked = run_shell(cat(tools.compiler, " ", tools.flags, " -Wl,--build-id -o ", work, "/unstripped", ship, " && strip -o ", work, "/shipped ", work, "/unstripped"));
  ASSERT_EQ(linked.status, 0) << linked.output;
}

inline std::unique_ptr<LoadedPair> load_pair(const std::vector<std::string> &sources, const std::string &work) {
  auto pair = std::make_unique<LoadedPair>();
  const auto object = [&](const std::string &name) {
    const auto bytes = read_file(work + "/" + name);
    EXPECT_TRUE(bytes);
    auto graph = read_elf_object(*bytes, name);
    EXPECT_TRUE(graph) << graph.error().text();
    return std::make_shared<const ObjectGraph>(std::move(*graph));
  };
  std::vector<std::shared_ptr<const ObjectGraph>> pre, post;
  for (std::string source : sources) {
    const bool fixed = source[0] == '*';
    if (fixed) source.erase(0, 1);
    pre.push_back(object(source + ".pre.o"));
    post.push_back(fixed ? object(source + ".post.o") : pre.back());
    pair->changed.push_back(fixed);
    pair->counted.push_back(true);
  }
  auto shipped = read_elf_image_file(work + "/shipped");
  auto unstripped = read_elf_image_file(work + "/unstripped");
  EXPECT_TRUE(shipped && unstripped);
  pair->shipped = std::move(*shipped);
  pair->unstripped = std::move(*unstripped);
  const Arch &arch = *find_arch(ArchId::x86_64);
  pair->pre = std::make_unique<Program>(Program::make(pre));
  pair->post = std::make_unique<Program>(Program::make(post));
  pair->pre_code = std::make_unique<CodeCache>(*pair->pre, arch);
  pair->post_code = std::make_unique<CodeCache>(*pair->post, arch);
  pair->twins = std::make_unique<Twins>(Twins::make(*pair->pre_code, *pair->post_code, pair->changed));
  pair->comparison = std::make_unique<Comparison>(Comparison::make(*pair->pre_code, *pair->post_code, *pair->twins, pair->changed));
  pair->solution = std::make_unique<Solution>(locate_in_image(*pair->pre_code, pair->shipped, pair->counted));
  return pair;
}

}  // namespace suture
