#include "build/compile_cache.h"

#include <sys/stat.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "base/file.h"
#include "base/hash.h"

namespace suture {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr size_t kMaxEntries = 8;  // of one command: pre, and the posts of the latest fixes
constexpr uint64_t kMaxEntryFileBytes = 64u << 20;
constexpr uint64_t kMaxDependencyBytes = 1u << 30;

std::string file_stamp(const std::string &path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return "absent";
  return cat(info.st_size, ":", info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec, ":", info.st_ino);
}

// Is there a "name", <name> or .../name> in the text, as #include and __has_include have it?
bool mentions_include(std::string_view text, std::string_view name) {
  for (size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
    const char before = at == 0 ? '\0' : text[at - 1];
    const char after = at + name.size() < text.size() ? text[at + name.size()] : '\0';
    if ((before == '"' || before == '<' || before == '/') && (after == '"' || after == '>')) return true;
  }
  return false;
}

CachedCompile entry_from(const Json &json) {
  CachedCompile entry;
  for (const Json &item : json.at("dependencies")) entry.dependencies.push_back({item.at(0), item.at(1)});
  for (const Json &item : json.at("outputs")) entry.outputs.push_back({item.at(0), item.at(1), item.at(2)});
  entry.diagnostics = json.at("diagnostics");
  return entry;
}

Json to_json(const CachedCompile &entry) {
  Json dependencies = Json::array();
  for (const CachedCompile::Dependency &item : entry.dependencies) dependencies.push_back({item.path, item.content});
  Json outputs = Json::array();
  for (const CachedOutput &item : entry.outputs) outputs.push_back({item.path, item.content, item.mode});
  return {{"dependencies", dependencies}, {"outputs", outputs}, {"diagnostics", entry.diagnostics}};
}

}  // namespace

bool is_cacheable(const CcCommand &command) {
  return command.step == CcStep::object && command.inputs.size() == 1 && command.inputs[0].kind == InputKind::source &&
         command.inputs[0].path != "-" && !command.uncacheable && command.object_path() != "-" &&
         !command.object_path().starts_with("/dev/");
}

std::string compile_key(const std::string &cwd, const std::string &tool, const std::vector<std::string> &args,
                        const CcCommand &command) {
  std::string text = cat("suture compile key 1\n", cwd, "\n", tool, "\n", file_stamp(tool), "\n");
  for (const std::string &arg : args) text += cat(arg.size(), ":", arg, "\n");
  // Everything in the environment that gcc's and clang's manuals name as changing code, search paths or messages.
  for (const char *name :
       {"CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH", "OBJCPLUS_INCLUDE_PATH",
        "GCC_EXEC_PREFIX", "COMPILER_PATH", "SOURCE_DATE_EPOCH", "LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES",
        "DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES", "CCC_OVERRIDE_OPTIONS", "SDKROOT"}) {
    const char *value = ::getenv(name);
    text += cat(name, "=", value == nullptr ? "" : value, "\n");
  }
  // The caller's -MMD leaves out the headers of the system, and gcc writes only one list: any change of the installed
  // packages then counts as a change of all of them.
  if (command.skips_system_headers)
    text += file_stamp("/var/lib/dpkg/status") + file_stamp("/usr/include") + file_stamp("/usr/local/include");
  return to_hex(sha256(as_bytes(text)));
}

std::vector<std::string> parse_make_rule(std::string_view text) {
  size_t at = 0;
  // A target may hold a colon; the one that ends the targets is followed by white space.
  for (; at < text.size(); ++at)
    if (text[at] == ':' && (at + 1 == text.size() || text[at + 1] == ' ' || text[at + 1] == '\n')) break;
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(std::exchange(word, {}));
  };
  for (++at; at < text.size(); ++at) {
    const char c = text[at];
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    if (c == '\\' && next == '\n') {
      finish();
      ++at;
    } else if (c == '\\' && (next == ' ' || next == '#')) {
      word += next;
      ++at;
    } else if (c == '$' && next == '$') {
      word += '$';
      ++at;
    } else if (c == '\n') {
      break;
    } else if (c == ' ' || c == '\t') {
      finish();
    } else {
      word += c;
    }
  }
  finish();
  return words;
}

std::vector<CachedCompile> CompileCache::entries() const {
  const Result<std::string> text = read_text(config_.cache() / (key_ + ".json"), kMaxEntryFileBytes);
  if (!text) return {};
  const Json json = Json::parse(*text, nullptr, false);
  std::vector<CachedCompile> out;
  try {
    if (json.is_array())
      for (const Json &item : json) out.push_back(entry_from(item));
  } catch (const Json::exception &) {
    return {};  // a damaged entry is no entry: the compiler runs
  }
  return out;
}

bool CompileCache::holds(const CachedCompile &entry) const {
  for (const CachedCompile::Dependency &dependency : entry.dependencies) {
    const Result<Bytes> bytes = read_file(dependency.path, kMaxDependencyBytes);
    if (!bytes || to_hex(sha256(*bytes)) != dependency.content) return false;
    for (const std::string &name : config_.added_names)
      if (mentions_include(as_text(*bytes), name)) return false;
  }
  const ObjectStore store(config_.store());
  for (const CachedOutput &output : entry.outputs)
    if (!store.has(output.content)) return false;
  return !entry.outputs.empty();
}

std::optional<CachedCompile> CompileCache::find() const {
  for (CachedCompile &entry : entries())
    if (holds(entry)) return std::move(entry);
  return std::nullopt;
}

Status CompileCache::restore(const CachedCompile &entry) const {
  const ObjectStore store(config_.store());
  for (const CachedOutput &output : entry.outputs) TRY(store.copy_out(output.content, output.path, output.mode));
  return {};
}

Result<CachedCompile> CompileCache::keep(const CcCommand &command, const fs::path &rule_file,
                                         std::string diagnostics) const {
  CachedCompile entry;
  entry.diagnostics = std::move(diagnostics);
  for (const std::string &path : parse_make_rule(TRY(read_text(rule_file)))) {
    const Bytes bytes = TRY(read_file(path, kMaxDependencyBytes));
    entry.dependencies.push_back({path, to_hex(sha256(bytes))});
  }
  std::vector<std::string> outputs = {command.object_path()};
  const auto beside = [&](const char *suffix) {
    return fs::path(command.object_path()).replace_extension(suffix).string();
  };
  if (command.writes_dependencies) outputs.push_back(command.dependency_path());
  if (command.stack_usage) outputs.push_back(beside(".su"));
  if (command.split_dwarf) outputs.push_back(beside(".dwo"));
  if (command.coverage_notes) outputs.push_back(beside(".gcno"));
  const ObjectStore store(config_.store());
  for (const std::string &path : outputs) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return Error::failed(cat("no output ", path));
    entry.outputs.push_back({path, TRY(store.add_file(path)), info.st_mode & 07777});
  }
  std::vector<CachedCompile> all = entries();
  all.insert(all.begin(), entry);
  if (all.size() > kMaxEntries) all.resize(kMaxEntries);
  Json json = Json::array();
  for (const CachedCompile &item : all) json.push_back(to_json(item));
  TRY(write_file_quick(config_.cache() / (key_ + ".json"),
                       as_bytes(json.dump(-1, ' ', false, Json::error_handler_t::replace))));
  return entry;
}

}  // namespace suture
