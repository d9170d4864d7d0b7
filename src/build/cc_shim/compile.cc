// suture-cc as a compiler.
#include <stdio.h>
#include <unistd.h>

#include <algorithm>

#include "base/cat.h"
#include "base/file.h"
#include "build/cc_args.h"
#include "build/cc_shim/shim.h"
#include "build/compile_cache.h"
#include "build/record.h"
#include "build/subprocess.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

bool compiles_code(const CcCommand &command) {
  if (command.step != CcStep::assembly && command.step != CcStep::object && command.step != CcStep::link) return false;
  for (const CcInput &input : command.inputs)
    // A precompiled header is used only by compilations with the same flags. Assembler sources have the sections they
    // name, and clang would warn of a flag it does not use.
    if (input.kind == InputKind::source || input.kind == InputKind::header) return true;
  return false;
}

bool reads_source(const CcCommand &command) {
  return std::any_of(command.inputs.begin(), command.inputs.end(), [](const CcInput &input) {
    return (input.kind == InputKind::source || input.kind == InputKind::header) && input.path != "-";
  });
}

// Where <suture/patch.h> is found, after everything that the package itself names.
std::vector<std::string> include_flags(const ShimConfig &config) {
  return {"-idirafter", config.include().string()};
}

std::vector<std::string> flags_of(const ShimConfig &config, const CcCommand &command) {
  std::vector<std::string> flags;
  if (compiles_code(command)) flags.assign(std::begin(kSectionFlags), std::end(kSectionFlags));
  if (!reads_source(command)) return flags;
  const std::vector<std::string> include = include_flags(config);
  flags.insert(flags.end(), include.begin(), include.end());
  return flags;
}

// Ours go last, so that they win over -fno-function-sections, but before a "--" that ends the options.
std::vector<std::string> with_flags(const std::vector<std::string> &args, const std::vector<std::string> &flags) {
  std::vector<std::string> out = args;
  const auto end = std::find(out.begin(), out.end(), std::string("--"));
  out.insert(end, flags.begin(), flags.end());
  return out;
}

std::string absolute(const std::string &cwd, const std::string &path) {
  return path.empty() ? path : (fs::path(cwd) / path).lexically_normal().string();
}

// A file of ours that goes when the call ends.
class SideFile {
 public:
  SideFile(const ShimConfig &config, std::string_view suffix)
      : path_((config.tmp() / cat(::getpid(), suffix)).string()) {}
  SideFile(const SideFile &) = delete;
  SideFile &operator=(const SideFile &) = delete;
  ~SideFile() { ::unlink(path_.c_str()); }
  const std::string &path() const { return path_; }

 private:
  std::string path_;
};

class Compilation {
 public:
  Compilation(const ShimCall &call, CcCommand command, std::vector<std::string> expanded)
      : call_(call), command_(std::move(command)), cwd_(fs::current_path().string()), environment_(call.environment) {
    record_.cwd = cwd_;
    record_.tool = call.tool;
    record_.step = get_variable(call.environment, kStepVariable);
    record_.args = std::move(expanded);
    for (const std::string &source : command_.sources()) record_.sources.push_back(absolute(cwd_, source));
    record_.lto = command_.lto;
    set_variable(environment_, kActiveVariable, "1");
  }

  int run() {
    if (!is_cacheable(command_)) return run_uncached();
    const CompileCache cache(call_.config, compile_key(cwd_, call_.tool, record_.args, command_));
    if (const std::optional<CachedCompile> entry = cache.find(); entry && cache.restore(*entry)) {
      record_.from_cache = true;
      note_dependencies(*entry);
      note(entry->outputs[0].content, command_.object_path());
      (void)::fwrite(entry->diagnostics.data(), 1, entry->diagnostics.size(), stderr);
      return 0;
    }
    return run_and_keep(cache);
  }

 private:
  int run_uncached() {
    if (command_.step == CcStep::link) prepare_link();
    const int status = run_tool(call_, with_flags(call_.args, flags_of(call_.config, command_)), environment_, "");
    if (status == 0 && command_.step == CcStep::object) note_each();
    return status;
  }

  int run_and_keep(const CompileCache &cache) {
    const SideFile rules(call_.config, ".d"), messages(call_.config, ".err");
    std::vector<std::string> flags = flags_of(call_.config, command_);
    if (!command_.writes_dependencies) flags.insert(flags.end(), {"-MD", "-MF", rules.path()});
    const int status = run_tool(call_, with_flags(call_.args, flags), environment_, messages.path());
    std::string text;
    if (Result<std::string> read = read_text(messages.path())) text = std::move(*read);
    (void)::fwrite(text.data(), 1, text.size(), stderr);
    if (status != 0) return status;
    // A result that cannot be kept (the disk is full, say) is still the compiler's result.
    const Result<CachedCompile> kept =
        cache.keep(command_, command_.writes_dependencies ? command_.dependency_path() : rules.path(), std::move(text));
    if (!kept) return status;
    note_dependencies(*kept);
    note(kept->outputs[0].content, command_.object_path());
    return status;
  }

  void note_dependencies(const CachedCompile &compile) {
    const std::string tree = call_.config.tree.string() + "/";
    for (const CachedCompile::Dependency &dependency : compile.dependencies) {
      std::string path = absolute(cwd_, dependency.path);
      if (path.starts_with(tree)) record_.dependencies.push_back(std::move(path));
    }
  }

  // `cc -c a.c b.c` makes an object of each.
  void note_each() {
    const std::vector<std::string> sources = record_.sources;
    for (size_t i = 0; i < sources.size(); ++i) {
      CcCommand one = command_;
      std::erase_if(one.inputs, [&](const CcInput &input) { return absolute(cwd_, input.path) != sources[i]; });
      record_.sources = {sources[i]};
      const Result<std::string> content = ObjectStore(call_.config.store()).add_file(one.object_path());
      if (content) note(*content, one.object_path());
    }
  }

  // The compiler driver is to find our linker, and our linker to know what the temporary objects are made of.
  void prepare_link() {
    const std::string before = get_variable(environment_, "COMPILER_PATH");
    set_variable(environment_, "COMPILER_PATH",
                 before.empty() ? call_.shim_folder.string() : cat(call_.shim_folder.string(), ":", before));
    std::string sources;
    for (const std::string &source : record_.sources) sources += source + "\n";
    set_variable(environment_, kSourcesVariable, sources);
  }

  void note(const std::string &content, const fs::path &object) {
    record_.output = absolute(cwd_, object.string());
    record_.output_content = content;
    (void)write_record(call_.config.records(),
                       record_);  // the driver notices what is missing when it folds the records
  }

  const ShimCall &call_;
  CcCommand command_;
  std::string cwd_;
  std::vector<std::string> environment_;
  CompileRecord record_;
};

void note_probe(const ShimCall &call) {
  const std::string step = get_variable(call.environment, kStepVariable);
  if (is_step_id(step)) (void)mark_probe(call.config.records(), step);  // unmarked, it is only made again for nothing
}

}  // namespace

int run_compiler_proper(const ShimCall &call) {
  ShimCall changed = call;
  const auto has = [&](std::string_view word) {
    return std::find(call.args.begin(), call.args.end(), word) != call.args.end();
  };
  const auto is_probe_source = [](const std::string &word) {
    return fs::path(word).filename().string().starts_with("conftest");
  };
  if (!has("-E") && !has("-fsyntax-only") && std::none_of(call.args.begin(), call.args.end(), is_probe_source))
    changed.args.insert(changed.args.end(), std::begin(kSectionFlags), std::end(kSectionFlags));
  const std::vector<std::string> include = include_flags(call.config);
  changed.args.insert(changed.args.end(), include.begin(), include.end());
  become_tool(changed);
}

int run_compiler(const ShimCall &call) {
  std::vector<std::string> expanded = expand_response_files(call.args);
  CcCommand command = parse_cc_command(expanded);
  const bool of_interest =
      command.step == CcStep::assembly || command.step == CcStep::object || command.step == CcStep::link;
  const bool probes = is_probe(fs::current_path().string(), command);
  if (probes) note_probe(call);
  if (command.cc1 || probes) become_tool(call);
  if (!of_interest) {
    ShimCall passed = call;  // a list of dependencies, say, must not miss our header either
    passed.args = with_flags(call.args, flags_of(call.config, command));
    become_tool(passed);
  }
  return Compilation(call, std::move(command), std::move(expanded)).run();
}

}  // namespace suture
