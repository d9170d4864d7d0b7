#include "build/cc_shim/shim.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <regex>

#include "base/cat.h"
#include "build/subprocess.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr int kNotFoundStatus = 127;  // what a shell says when there is no such command

struct FileIdentity {
  dev_t device;
  ino_t inode;
  bool operator==(const FileIdentity &) const = default;
};

std::optional<FileIdentity> identity(const std::string &path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return FileIdentity{info.st_dev, info.st_ino};
}

// A compiler cache in PATH would find us again as "the compiler", and it may answer without asking us at all.
bool is_compiler_cache(const std::string &path) {
  std::error_code error;
  const std::string name = fs::canonical(path, error).filename().string();
  return name == "ccache" || name == "sccache" || name == "distcc" || name == "icecc";
}

std::string find_past_us(const std::string &name, std::string_view path, const fs::path &self) {
  const std::optional<FileIdentity> us = identity(self.string());
  for (size_t at = 0; at <= path.size();) {
    const size_t colon = std::min(path.find(':', at), path.size());
    const std::string_view folder = path.substr(at, colon - at);
    at = colon + 1;
    const std::string candidate = cat(folder.empty() ? "." : folder, "/", name);
    if (::access(candidate.c_str(), X_OK) != 0 || identity(candidate) == us || is_compiler_cache(candidate)) continue;
    return candidate;
  }
  return {};
}

}  // namespace

bool is_linker_name(const std::string &name) {
  static const std::regex pattern("([A-Za-z0-9_]+-)*(ld(\\.(bfd|gold|lld|mold))?|ld64\\.lld|gold|mold)(-[0-9.]+)?");
  return std::regex_match(name, pattern);
}

bool is_compiler_name(const std::string &name) {
  static const std::regex pattern("([A-Za-z0-9_]+-)*(gcc|g\\+\\+|cc|c\\+\\+|clang|clang\\+\\+|c89|c99|gfortran)(-[0-9.]+)?");
  return std::regex_match(name, pattern);
}

void become_tool(const ShimCall &call) {
  std::vector<char *> words = {const_cast<char *>(call.tool.c_str())};
  for (const std::string &arg : call.args) words.push_back(const_cast<char *>(arg.c_str()));
  words.push_back(nullptr);
  ::execv(call.tool.c_str(), words.data());
  ::fprintf(stderr, "suture-cc: cannot run %s: %s\n", call.tool.c_str(), ::strerror(errno));
  ::_exit(kNotFoundStatus - 1);
}

int run_tool(const ShimCall &call, const std::vector<std::string> &args, const std::vector<std::string> &environment,
             const std::string &stderr_file) {
  ProcessRequest request;
  request.program = call.tool;
  request.words = args;
  request.words.insert(request.words.begin(), call.tool);
  request.environment = environment;
  if (!stderr_file.empty()) request.stderr_file = stderr_file;
  const Result<ProcessOutcome> outcome = run_process(request);
  if (!outcome) {
    ::fprintf(stderr, "suture-cc: %s\n", outcome.error().line().c_str());
    return kNotFoundStatus - 1;
  }
  if (WIFSIGNALED(outcome->status)) {  // the build sees the death it would have seen without us
    ::signal(WTERMSIG(outcome->status), SIG_DFL);
    ::raise(WTERMSIG(outcome->status));
  }
  return WEXITSTATUS(outcome->status);
}

int run_shim(int argc, char **argv) {
  ShimCall call;
  call.name = fs::path(argc > 0 ? argv[0] : "").filename().string();
  for (int i = 1; i < argc; ++i) call.args.emplace_back(argv[i]);
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  call.shim_folder = self.parent_path();
  const Result<ShimConfig> config = read_shim_config(call.shim_folder);
  const char *path = ::getenv("PATH");
  call.tool = find_past_us(call.name, path == nullptr ? "" : path, self);
  if (call.tool.empty() && config) call.tool = find_past_us(call.name, config->search_path, self);
  if (call.tool.empty()) {
    ::fprintf(stderr, "suture-cc: there is no %s in PATH besides this wrapper; it is run by `suture build`\n", call.name.c_str());
    return kNotFoundStatus;
  }
  if (!config) become_tool(call);
  call.config = *config;
  call.environment = current_environment();
  if (is_linker_name(call.name)) return run_linker(call);
  if (::getenv(kActiveVariable) != nullptr || !is_compiler_name(call.name)) become_tool(call);
  return run_compiler(call);
}

}  // namespace suture
