#include "build/cc_shim/shim.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <initializer_list>
#include <optional>

#include "base/cat.h"
#include "base/file.h"
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

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string_view plain_tool_name(std::string_view name) {
  const size_t version = name.rfind('-');
  if (version != std::string_view::npos && version + 1 < name.size() &&
      name.find_first_not_of("0123456789.", version + 1) == std::string_view::npos)
    name = name.substr(0, version);
  const size_t target = name.rfind('-');
  return target == std::string_view::npos ? name : name.substr(target + 1);
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

// gcc tells its subprograms in COLLECT_GCC how it was called; it knows which linker and compiler proper are its own
// (those of a cross compiler are not the ones in PATH). By its name alone it was called under one that is not wrapped: "cpp".
std::string ask_gcc(const ShimCall &call, const fs::path &self) {
  std::string gcc = get_variable(call.environment, "COLLECT_GCC");
  if (!gcc.empty() && gcc.find('/') == std::string::npos) gcc = find_past_us(gcc, get_variable(call.environment, "PATH"), self);
  if (gcc.empty() || call.config.state.empty()) return {};
  const std::string answer = (call.config.tmp() / cat(::getpid(), ".answer")).string();
  ProcessRequest request;
  request.program = gcc;
  request.words = {gcc, cat("-print-prog-name=", call.name)};
  request.environment = call.environment;
  set_variable(request.environment, "COMPILER_PATH",
               without_our_folders(get_variable(call.environment, "COMPILER_PATH"), call.shim_folder));
  request.stdout_file = answer;
  const Result<ProcessOutcome> outcome = run_process(request);
  Result<std::string> text = read_text(answer);
  ::unlink(answer.c_str());
  if (!outcome || !outcome->succeeded() || !text) return {};
  while (text->ends_with('\n')) text->pop_back();
  const bool usable =
      text->starts_with("/") && ::access(text->c_str(), X_OK) == 0 && identity(*text) != identity(self.string());
  return usable ? *text : std::string();
}

std::string find_tool(const ShimCall &call, const fs::path &self) {
  if (is_linker_name(call.name) || is_compiler_proper_name(call.name))
    if (std::string tool = ask_gcc(call, self); !tool.empty()) return tool;
  std::string tool = find_past_us(call.name, get_variable(call.environment, "PATH"), self);
  return tool.empty() ? find_past_us(call.name, call.config.search_path, self) : tool;
}

}  // namespace

// "x86_64-linux-gnu-gcc-12" is, without its target and version, "gcc". Written out rather than as a regular expression:
// this runs at every call of a compiler, and for each name in PATH.
bool is_linker_name(const std::string &name) {
  const std::string_view base = plain_tool_name(name);
  return is_one_of(base, {"ld", "ld.bfd", "ld.gold", "ld.lld", "ld.mold", "ld64.lld", "gold", "mold"});
}

bool is_compiler_name(const std::string &name) {
  const std::string_view base = plain_tool_name(name);
  return is_one_of(base, {"gcc", "g++", "cc", "c++", "clang", "clang++", "c89", "c99", "gfortran"});
}

bool is_build_tool_name(const std::string &name) {
  return is_one_of(name, {"make", "gmake", "ninja", "samu"});
}

bool is_compiler_proper_name(const std::string &name) {
  return name == "cc1" || name == "cc1plus";
}

std::string without_our_folders(const std::string &compiler_path, const fs::path &shim_folder) {
  std::string out;
  for (size_t at = 0; at < compiler_path.size();) {
    const size_t colon = std::min(compiler_path.find(':', at), compiler_path.size());
    const std::string folder = compiler_path.substr(at, colon - at);
    at = colon + 1;
    if (folder != shim_folder.string() && folder != (shim_folder / kSubprogramFolder).string())
      out += cat(out.empty() ? "" : ":", folder);
  }
  return out;
}

void become_tool(const ShimCall &call) {
  std::vector<char *> words = {const_cast<char *>(call.tool.c_str())};
  for (const std::string &arg : call.args) words.push_back(const_cast<char *>(arg.c_str()));
  words.push_back(nullptr);
  std::vector<char *> environment;
  for (const std::string &entry : call.environment) environment.push_back(const_cast<char *>(entry.c_str()));
  environment.push_back(nullptr);
  ::execve(call.tool.c_str(), words.data(), environment.data());
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
  call.environment = current_environment();
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  call.shim_folder =
      self.parent_path().filename() == kSubprogramFolder ? self.parent_path().parent_path() : self.parent_path();
  const Result<ShimConfig> config = read_shim_config(call.shim_folder);
  if (config) call.config = *config;
  call.tool = find_tool(call, self);
  if (call.tool.empty()) {
    ::fprintf(stderr, "suture-cc: there is no %s besides this wrapper, which is run by `suture build`\n",
              call.name.c_str());
    return kNotFoundStatus;
  }
  if (config && is_linker_name(call.name)) return run_linker(call);
  if (is_build_tool_name(call.name)) run_build_tool(std::move(call));
  // From here on the tool's own calls of subprograms are its own affair; run_compiler points them to us where it wants
  // them.
  const std::string subprograms =
      without_our_folders(get_variable(call.environment, "COMPILER_PATH"), call.shim_folder);
  if (subprograms.empty())
    unset_variable(call.environment, "COMPILER_PATH");
  else
    set_variable(call.environment, "COMPILER_PATH", subprograms);
  if (!config || ::getenv(kActiveVariable) != nullptr) become_tool(call);
  if (is_compiler_proper_name(call.name)) return run_compiler_proper(call);
  if (!is_compiler_name(call.name)) become_tool(call);
  return run_compiler(call);
}

}  // namespace suture
